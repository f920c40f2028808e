// A program for trying out a cluster: `serve ADDRESS TEXT`, `get URL`,
// `resolve NAME`, `cat FILE`.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	switch os.Args[1] {
	case "serve":
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			log.Println("asked for", r.URL.Path, "by", r.RemoteAddr)
			fmt.Fprintln(w, os.Args[3])
		})
		log.Println("listening on", os.Args[2])
		log.Fatal(http.ListenAndServe(os.Args[2], nil))
	case "get":
		resp, err := http.Get(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(os.Stdout, resp.Body)
	case "resolve":
		addresses, err := net.LookupHost(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(addresses)
	case "cat":
		b, err := os.ReadFile(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		os.Stdout.Write(b)
	}
}
