// Plays a client's part in the cases of tests/clients/conformance.json: a line for each thing to do, one line back.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"entitled"
)

func failure(err error) string {
	var refused *entitled.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Name != "":
		return "refused " + refused.Name
	case errors.As(err, &refused):
		return "refused " + strconv.Itoa(refused.Code)
	case errors.Is(err, entitled.ErrUnreachable):
		return "unreachable"
	case errors.Is(err, entitled.ErrUntrusted):
		return "untrusted"
	case errors.Is(err, entitled.ErrTimeout):
		return "timeout"
	case errors.Is(err, entitled.ErrProtocol):
		return "protocol"
	}
	return err.Error()
}

func word(answer entitled.Answer) string { return strings.ReplaceAll(answer.String(), " ", "-") }

func said(verdict entitled.Verdict, err error) string {
	if err != nil {
		return word(verdict.Answer) + " " + failure(err)
	}
	return word(verdict.Answer) + " " + verdict.Code
}

func options(words []string) (options []entitled.Option) {
	for _, it := range words {
		key, value, _ := strings.Cut(it, "=")
		switch key {
		case "feature":
			options = append(options, entitled.WithFeature(value))
		case "publisher":
			options = append(options, entitled.WithPublisher(value))
		case "wait_ms":
			wait, _ := strconv.Atoi(value)
			options = append(options, entitled.WithWait(time.Duration(wait)*time.Millisecond))
		}
	}
	return options
}

func watch(client *entitled.Client, product, count string) string {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wanted, _ := strconv.Atoi(count)
	var told []string
	watch := client.Watch(ctx, product)
	for len(told) < wanted && watch.Next() {
		told = append(told, said(watch.Verdict(), watch.Err()))
	}
	cancel()
	watch.Next() // hangs up
	return strings.Join(told, ",")
}

func take(client *entitled.Client, words []string) (*entitled.Seat, string) {
	more := options(words[1:])
	for _, it := range words[1:] {
		if key, value, _ := strings.Cut(it, "="); key == "tier" {
			more = append(more, entitled.WithTier(value))
		}
	}
	seat, err := client.Seat(context.Background(), words[0], more...)
	var refused *entitled.SeatRefusedError
	switch {
	case errors.As(err, &refused):
		return nil, word(refused.Answer()) + " " + refused.Code
	case err != nil:
		return nil, "not-known " + failure(err)
	}
	return seat, "yes " + seat.ID
}

func held(seat *entitled.Seat, waitMs string) string {
	wait, _ := strconv.Atoi(waitMs)
	state, err := seat.Check(context.Background(), time.Duration(wait)*time.Millisecond)
	more := state.Reason + state.EndsAt
	if err != nil && more == "" {
		more = failure(err)
	}
	return strings.TrimSpace(word(state.Answer) + " " + more)
}

func main() {
	ctx := context.Background()
	var client *entitled.Client
	var seat *entitled.Seat
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		answer := "ok"
		switch words[0] {
		case "open":
			limit, _ := strconv.Atoi(words[2])
			client = &entitled.Client{Path: words[1], Timeout: time.Duration(limit) * time.Millisecond}
		case "close":
			client.Close()
		case "check":
			answer = said(client.Check(ctx, words[1], options(words[2:])...))
		case "has":
			verdict, _ := client.Check(ctx, words[1])
			answer = word(verdict.Has(words[2]))
		case "value":
			verdict, _ := client.Check(ctx, words[1])
			answer = "none"
			if value, found := verdict.Feature(words[2]); found {
				answer = fmt.Sprint(value)
			}
		case "call":
			if _, err := client.Call(ctx, words[1], nil); err != nil {
				answer = failure(err)
			}
		case "seat":
			seat, answer = take(client, words[1:])
		case "held":
			answer = held(seat, words[1])
		case "release":
			if err := seat.Release(); err != nil {
				answer = failure(err)
			}
		case "watch":
			answer = watch(client, words[1], words[2])
		}
		fmt.Println(answer)
	}
}
