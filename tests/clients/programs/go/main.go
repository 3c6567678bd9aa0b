// The AWS SDK for Go: reads one call per line from stdin, writes its reply as one line to stdout.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/smithy-go"
)

type call struct {
	Operation string
	Request   json.RawMessage
}

type object struct {
	Bucket, Key, File string
}

type clients struct {
	sagemaker *sagemaker.Client
	s3        *s3.Client
}

func connect() clients {
	region := os.Getenv("AWS_REGION")
	keys := credentials.NewStaticCredentialsProvider(
		os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")
	return clients{
		sagemaker.New(sagemaker.Options{
			Region: region, Credentials: keys,
			EndpointResolver: sagemaker.EndpointResolverFromURL(os.Getenv("AWS_ENDPOINT_URL_SAGEMAKER")),
		}),
		s3.New(s3.Options{
			Region: region, Credentials: keys, UsePathStyle: true,
			EndpointResolver: s3.EndpointResolverFromURL(os.Getenv("AWS_ENDPOINT_URL_S3")),
		}),
	}
}

// operate calls the method of the SageMaker client that is named like the operation.
func (to clients) operate(operation string, request json.RawMessage) (interface{}, error) {
	method := reflect.ValueOf(to.sagemaker).MethodByName(operation)
	if !method.IsValid() {
		return nil, fmt.Errorf("the client has no operation %q", operation)
	}
	input := reflect.New(method.Type().In(1).Elem())
	if err := json.Unmarshal(request, input.Interface()); err != nil {
		return nil, err
	}
	results := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
	err, _ := results[1].Interface().(error)
	return results[0].Interface(), err
}

func (to clients) upload(place object) error {
	file, err := os.Open(place.File)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = to.s3.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(place.Bucket), Key: aws.String(place.Key), Body: file,
	})
	return err
}

func (to clients) download(place object) error {
	reply, err := to.s3.GetObject(context.Background(), &s3.GetObjectInput{
		Bucket: aws.String(place.Bucket), Key: aws.String(place.Key),
	})
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	file, err := os.Create(place.File)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, reply.Body)
	return err
}

func (to clients) answer(asked call) (interface{}, error) {
	var place object
	switch asked.Operation {
	case "Version":
		return map[string]string{"version": aws.SDKVersion}, nil
	case "Upload", "Download":
		if err := json.Unmarshal(asked.Request, &place); err != nil {
			return nil, err
		}
		if asked.Operation == "Upload" {
			return nil, to.upload(place)
		}
		return nil, to.download(place)
	}
	return to.operate(asked.Operation, asked.Request)
}

// refusal describes an error by its most telling type: the one that the service model names, where there is one.
func refusal(err error) map[string]string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return map[string]string{
			"type": fmt.Sprintf("%T", api), "code": api.ErrorCode(), "message": api.ErrorMessage(),
		}
	}
	return map[string]string{"type": fmt.Sprintf("%T", err), "code": "", "message": err.Error()}
}

func main() {
	to := connect()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked call
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		reply, err := to.answer(asked)
		if err != nil {
			out.Encode(map[string]interface{}{"error": refusal(err)})
		} else {
			out.Encode(map[string]interface{}{"reply": reply})
		}
	}
}
