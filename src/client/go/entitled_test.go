package entitled

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// daemon answers every check with a yes to products that end in 3. Where it is silent it never answers.
func daemon(t *testing.T, silent *atomic.Bool) (path string, connections *atomic.Int32) {
	path = filepath.Join(t.TempDir(), "entitled.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	connections = new(atomic.Int32)
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go talk(peer, silent)
		}
	}()
	return path, connections
}

func talk(peer net.Conn, silent *atomic.Bool) {
	defer peer.Close()
	lines := bufio.NewScanner(peer)
	for lines.Scan() {
		var asked struct {
			ID     int
			Params struct{ Product string }
		}
		if json.Unmarshal(lines.Bytes(), &asked) != nil {
			return
		}
		valid := strings.HasSuffix(asked.Params.Product, "3")
		if silent == nil || !silent.Load() {
			fmt.Fprintf(peer, `{"jsonrpc":"2.0","id":%d,"result":{"product":%q,"valid":%t,"code":"X"}}`+"\n",
				asked.ID, asked.Params.Product, valid)
		}
	}
}

func TestTheZeroAnswerIsNotKnown(t *testing.T) {
	var verdict Verdict
	if verdict.Answer != NotKnown || verdict.Has("export") != NotKnown {
		t.Fatal(verdict.Answer)
	}
	verdict, err := (&Client{Path: "/nowhere"}).Check(context.Background(), "p3")
	if verdict.Answer != NotKnown || !errors.Is(err, ErrUnreachable) {
		t.Fatal(verdict, err)
	}
}

func TestGoroutinesShareAClient(t *testing.T) {
	path, connections := daemon(t, nil)
	client := &Client{Path: path}
	defer client.Close()
	var group sync.WaitGroup
	for at := 0; at < 50; at++ {
		group.Add(1)
		go func(product string) {
			defer group.Done()
			verdict, err := client.Check(context.Background(), product)
			if err != nil || verdict.Product != product || (verdict.Answer == Yes) != strings.HasSuffix(product, "3") {
				t.Error(product, verdict, err)
			}
		}(fmt.Sprint("p", at))
	}
	group.Wait()
	if connections.Load() != 1 {
		t.Fatal(connections.Load())
	}
}

func TestAContextThatEndsCostsTheConnection(t *testing.T) {
	var silent atomic.Bool
	silent.Store(true)
	path, connections := daemon(t, &silent)
	client := &Client{Path: path, Timeout: time.Minute}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := client.Check(ctx, "p3"); !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	cancelled, stop := context.WithCancel(context.Background())
	stop()
	if _, err := client.Check(cancelled, "p3"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	silent.Store(false)
	if verdict, err := client.Check(context.Background(), "p3"); verdict.Answer != Yes || connections.Load() < 2 {
		t.Fatal(verdict, err, connections.Load())
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	var silent atomic.Bool
	path, _ := daemon(t, &silent)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	watch := (&Client{Path: path}).Watch(ctx, "p3")
	for watch.Next() {
		t.Error(watch.Verdict(), watch.Err())
	}
	if !errors.Is(watch.Err(), context.DeadlineExceeded) {
		t.Fatal(watch.Err())
	}
}

func TestTheEnvironmentNamesTheSocket(t *testing.T) {
	path, _ := daemon(t, nil)
	for _, named := range []string{path, "unix://" + path} {
		t.Setenv("ENTITLED_SOCKET", named)
		if verdict, err := Check(context.Background(), "p3"); DefaultPath() != named || verdict.Answer != Yes {
			t.Fatal(named, verdict, err)
		}
	}
}
