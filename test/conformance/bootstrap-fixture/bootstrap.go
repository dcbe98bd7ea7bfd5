// A custom runtime in Go with nothing but its standard library.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

var api = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"

type event struct {
	Name  string `json:"name"`
	Panic bool   `json:"panic"`
}

func main() {
	for calls := 1; ; calls++ {
		next, err := http.Get(api + "invocation/next")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		body, _ := io.ReadAll(next.Body)
		next.Body.Close()
		id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
		deadlineMs, _ := strconv.ParseInt(next.Header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
		answer, err := handle(body, calls, time.Until(time.UnixMilli(deadlineMs)))
		if err != nil {
			post(id+"/error", map[string]string{"errorType": "Go.Error", "errorMessage": err.Error()})
		} else {
			post(id+"/response", answer)
		}
	}
}

func handle(body []byte, calls int, remaining time.Duration) (any, error) {
	var asked event
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, err
	}
	if asked.Panic {
		panic("as asked")
	}
	fmt.Println("hello,", asked.Name)
	return map[string]any{"hello": asked.Name, "calls": calls, "remainingMs": remaining.Milliseconds()}, nil
}

func post(path string, answer any) {
	body, _ := json.Marshal(answer)
	posted, err := http.Post(api+"invocation/"+path, "application/json", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	posted.Body.Close()
}
