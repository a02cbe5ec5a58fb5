// Reads a stream with a Go library as its users do, and prints each event that it gives out as a line of JSON.
// After a cut it comes back.
//
//	sse_go r3labs|tmaxmax URL
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

func print(id, event, data string) {
	line, err := json.Marshal(map[string]string{"id": id, "event": event, "data": data})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func main() {
	library, url := os.Args[1], os.Args[2]
	switch library {
	case "r3labs":
		fail(r3labs.NewClient(url).SubscribeRaw(func(event *r3labs.Event) {
			print(string(event.ID), string(event.Event), string(event.Data))
		}))
	case "tmaxmax":
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
		if err != nil {
			fail(err)
		}
		connection := tmaxmax.NewConnection(request)
		connection.SubscribeToAll(func(event tmaxmax.Event) {
			print(event.LastEventID, event.Type, event.Data)
		})
		for {
			// It comes back by itself only after what it takes for a passing error.
			fmt.Fprintln(os.Stderr, "cut:", connection.Connect())
			time.Sleep(100 * time.Millisecond)
		}
	default:
		fail(fmt.Errorf("no library %q", library))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "the stream is over:", err)
	os.Exit(1)
}
