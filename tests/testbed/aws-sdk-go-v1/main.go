// Asks who it is, takes one text through KMS and S3, and prints one line of JSON.
// Its arguments: a KMS key (an alias will do) and a bucket, which it creates.
//
// This SDK is older than AWS_ENDPOINT_URL. Apps that use it (Vault is one) read
// variables of their own and pass what they say to the SDK, as this one does.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/kms"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/sts"
)

func endpoint(variable string) *aws.Config {
	config := aws.NewConfig()
	if url := os.Getenv(variable); url != "" {
		config = config.WithEndpoint(url)
	}
	return config
}

func ask(key, bucket string) (map[string]string, error) {
	own, err := session.NewSession()
	if err != nil {
		return nil, err
	}
	identity, err := sts.New(own, endpoint("AWS_STS_ENDPOINT")).GetCallerIdentity(nil)
	if err != nil {
		return nil, err
	}

	keys := kms.New(own, endpoint("AWS_KMS_ENDPOINT"))
	encrypted, err := keys.Encrypt(&kms.EncryptInput{KeyId: &key, Plaintext: []byte("hello")})
	if err != nil {
		return nil, err
	}
	decrypted, err := keys.Decrypt(&kms.DecryptInput{CiphertextBlob: encrypted.CiphertextBlob})
	if err != nil {
		return nil, err
	}

	// The host of the endpoint is a name, and names like bucket.host do not resolve.
	objects := s3.New(own, endpoint("AWS_S3_ENDPOINT").WithS3ForcePathStyle(true))
	if _, err := objects.CreateBucket(&s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		return nil, err
	}
	name := aws.String("hello")
	if _, err := objects.PutObject(&s3.PutObjectInput{Bucket: &bucket, Key: name, Body: bytes.NewReader([]byte("hello"))}); err != nil {
		return nil, err
	}
	object, err := objects.GetObject(&s3.GetObjectInput{Bucket: &bucket, Key: name})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(object.Body)
	if err != nil {
		return nil, err
	}
	list, err := objects.ListObjectsV2(&s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return nil, err
	}
	var listed []string
	for _, object := range list.Contents {
		listed = append(listed, *object.Key)
	}
	return map[string]string{
		"arn":       *identity.Arn,
		"plaintext": string(decrypted.Plaintext),
		"s3":        string(content),
		"listed":    strings.Join(listed, " "),
	}, nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: probe KEY BUCKET")
		os.Exit(2)
	}
	answer, err := ask(os.Args[1], os.Args[2])
	if err != nil {
		answer = map[string]string{"error": "Failure", "message": err.Error()}
		var said awserr.Error
		if errors.As(err, &said) {
			answer["error"] = said.Code()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
