// Asks who it is, takes one text through KMS and S3, and prints one line of JSON.
// Its arguments: a KMS key (an alias will do) and a bucket, which it creates.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func ask(ctx context.Context, key, bucket string) (map[string]string, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, err
	}

	keys := kms.NewFromConfig(cfg)
	encrypted, err := keys.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("hello")})
	if err != nil {
		return nil, err
	}
	decrypted, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: encrypted.CiphertextBlob})
	if err != nil {
		return nil, err
	}

	objects := s3.NewFromConfig(cfg)
	if _, err := objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		return nil, err
	}
	name := aws.String("hello")
	if _, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: name, Body: bytes.NewReader([]byte("hello"))}); err != nil {
		return nil, err
	}
	object, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: name})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(object.Body)
	if err != nil {
		return nil, err
	}
	list, err := objects.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
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
	answer, err := ask(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		answer = map[string]string{"error": "Failure", "message": err.Error()}
		var said smithy.APIError
		if errors.As(err, &said) {
			answer["error"] = said.ErrorCode()
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
}
