// Publishes from a Go backend with only the standard library. A retry has the same id, so it cannot publish twice.
//
//	go run examples/publish.go CHANNEL JSON [EVENT]
//
// API_KEY in the environment has the API key or token, if the gateway requires one (`tricast key`).
//
// The first `go run` compiles Go's standard library, which can take minutes without any output.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

type answer struct {
	ID          string `json:"id"`
	Subscribers int    `json:"subscribers"`
	Duplicate   bool   `json:"duplicate,omitempty"`
}

// refusal is a problem document (RFC 9457).
type refusal struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.Status, r.Detail) }

var client = &http.Client{Timeout: 5 * time.Second}

func publish(gateway, channel string, data json.RawMessage, event string) (*answer, error) {
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	query := url.Values{"event": {event}, "id": {fmt.Sprintf("%x", key)}}
	address := gateway + "/publish/" + url.PathEscape(channel) + "?" + query.Encode()
	for attempt := 1; ; attempt++ {
		published, err := post(address, data)
		var refused *refusal
		// A retry after a 4xx would be refused again.
		if err == nil || attempt == 3 || (errors.As(err, &refused) && refused.Status < 500) {
			return published, err
		}
		time.Sleep(time.Duration(attempt) * 200 * time.Millisecond)
	}
}

func post(address string, data []byte) (*answer, error) {
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("API_KEY"); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	if response.StatusCode != http.StatusOK {
		refused := &refusal{Status: response.StatusCode}
		// A proxy in front of the gateway may refuse without a problem document.
		_ = decoder.Decode(refused)
		return nil, refused
	}
	published := new(answer)
	return published, decoder.Decode(published)
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: publish CHANNEL JSON [EVENT]")
		os.Exit(2)
	}
	gateway, event := os.Getenv("TRICAST_URL"), "message"
	if !json.Valid([]byte(os.Args[2])) {
		fmt.Fprintln(os.Stderr, `not JSON; a text needs quotes of its own, as in '"hello"'`)
		os.Exit(1)
	}
	if gateway == "" {
		gateway = "http://127.0.0.1:8080"
	}
	if len(os.Args) > 3 {
		event = os.Args[3]
	}
	published, err := publish(gateway, os.Args[1], json.RawMessage(os.Args[2]), event)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(published)
}
