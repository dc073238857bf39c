package entitled

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	lineMax        = 1 << 20 // the longest answer accepted, in bytes
	noticesMax     = 64      // that may arrive before the answer to the subscription they belong to
	queueFullPause = 5 * time.Millisecond
)

// errUnheard: the pipe was broken already, so nobody heard the question.
var errUnheard = errors.New("nobody heard the question")

var errTooLong = fmt.Errorf("%w: an answer is longer than 1 MiB", ErrProtocol)

// startedPlain is found out before anybody gives up or takes on rights, after which it may not be asked.
var startedPlain = isPlain()

// isPlain: the kernel started this program with no rights that its caller has not (AT_SECURE). What it does not say it does
// not say so of: a program that may not look has, or has given up, such rights.
func isPlain() bool {
	const atSecure = 23
	vector, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return false
	}
	// Pairs of words, of which both are below 256 where they matter: then one byte of each is not zero, at either end.
	const word = bits.UintSize / 8
	for ; len(vector) >= 2*word; vector = vector[2*word:] {
		if small(vector[:word]) == atSecure {
			return small(vector[word:2*word]) == 0
		}
	}
	return false
}

// small is the value of a word of this machine, and none of ours where it is 256 or more.
func small(word []byte) int {
	little, big := int(word[0]), int(word[len(word)-1])
	for _, it := range word[1 : len(word)-1] {
		if it != 0 {
			return -1
		}
	}
	if little != 0 && big != 0 {
		return -1
	}
	return little + big
}

// DefaultPath is $ENTITLED_SOCKET (a path, or unix:// and a path); else the machine's socket if it is there; else the user's, in a
// directory of the user's alone. Where the process has, or had, rights that its caller has not, the machine's alone.
func DefaultPath() string {
	system := "/run/entitled/entitled.sock"
	if !startedPlain || os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return system
	}
	named, runtime := os.Getenv("ENTITLED_SOCKET"), os.Getenv("XDG_RUNTIME_DIR")
	own := filepath.Join(runtime, "entitled/entitled.sock")
	shared := fmt.Sprintf("/tmp/entitled-%d", os.Geteuid())
	switch {
	case named != "":
		return named
	case exists(system):
		return system
	case filepath.IsAbs(runtime) && isPrivate(runtime) && exists(own):
		return own
	case isPrivate(shared) && exists(shared+"/entitled.sock"):
		return shared + "/entitled.sock"
	}
	return system
}

// isPrivate: nobody else can have put anything into the directory.
func isPrivate(directory string) bool {
	info, err := os.Lstat(directory)
	return err == nil && info.IsDir() && info.Mode().Perm()&0o077 == 0 && ownerOf(info) == os.Geteuid()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func ownerOf(info os.FileInfo) int {
	if it, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(it.Uid)
	}
	return -1
}

// turn lets one at a time through, who can stop waiting.
type turn struct {
	once  sync.Once
	token chan struct{}
}

func (t *turn) take(ctx context.Context) error {
	t.once.Do(func() { t.token = make(chan struct{}, 1) })
	select {
	case t.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turn) give() { <-t.token }

// connection is one connection, and what was said on it.
type connection struct {
	socket   *net.UnixConn
	path     string
	received []byte
	searched int
	lastID   int
	notices  []object
	isClosed bool
}

// open connects, and makes sure who answers.
func open(ctx context.Context, path string) (*connection, error) {
	if path == "" {
		path = DefaultPath()
	}
	path = strings.TrimPrefix(path, "unix://")
	for {
		socket, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			it := &connection{socket: socket, path: path}
			if err := it.verify(); err != nil {
				it.close()
				return nil, err
			}
			return it, nil
		}
		// A Unix socket tells no poller when its queue has room.
		if !errors.Is(err, syscall.EAGAIN) {
			return nil, fmt.Errorf("%w at %s: %v", ErrUnreachable, path, err)
		}
		if !sleep(ctx, queueFullPause) {
			return nil, timeOr(ctx, err)
		}
	}
}

func (c *connection) verify() error {
	var peer *syscall.Ucred
	err := c.control(func(fd int) (err error) {
		peer, err = syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		return err
	})
	if err != nil {
		return c.lost(err)
	}
	directory, err := os.Stat(filepath.Dir(c.path))
	uid := int(peer.Uid)
	if uid != 0 && uid != os.Geteuid() && (err != nil || uid != ownerOf(directory)) {
		return fmt.Errorf("%w: %s, uid %d, who is neither root, nor you, nor its directory's owner", ErrUntrusted, c.path, uid)
	}
	return nil
}

func (c *connection) control(work func(fd int) error) error {
	raw, err := c.socket.SyscallConn()
	if err == nil {
		if outer := raw.Control(func(fd uintptr) { err = work(int(fd)) }); outer != nil {
			return outer
		}
	}
	return err
}

// isQuiet says whether it is still there, and nothing unasked for has arrived on it.
func (c *connection) isQuiet() bool {
	err := c.control(func(fd int) error {
		_, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return err
	})
	return len(c.received) == 0 && errors.Is(err, syscall.EAGAIN)
}

func (c *connection) close() {
	if c != nil && !c.isClosed {
		c.isClosed = true
		_ = c.socket.Close()
	}
}

func (c *connection) lost(cause error) error {
	return fmt.Errorf("%w at %s: %v", ErrUnreachable, c.path, cause)
}

// ask gives the result of a question. An error other than a refusal closes the connection.
func (c *connection) ask(ctx context.Context, method string, params any) (json.RawMessage, error) {
	c.lastID++
	line, err := json.Marshal(struct {
		Version string `json:"jsonrpc"`
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{"2.0", c.lastID, method, params})
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%w: the request cannot be written as JSON: %v", ErrProtocol, err)
	}
	defer c.limit(ctx)()
	_, broken := c.socket.Write(append(line, '\n'))
	if broken != nil && !errors.Is(broken, syscall.EPIPE) {
		c.close()
		return nil, timeOr(ctx, c.lost(broken))
	}
	if broken != nil && c.lastID > 1 {
		c.close()
		return nil, errUnheard
	}
	// A daemon that closed a fresh connection before it took a request may have said why.
	for {
		message, err := c.message()
		if err == nil {
			if result, isOurs, err := c.answer(message); isOurs || err != nil {
				var refused *RefusedError
				if err != nil && !(isOurs && errors.As(err, &refused)) {
					c.close()
				}
				return result, err
			}
			continue
		}
		c.close()
		return nil, timeOr(ctx, err)
	}
}

// limit ends every wait when the context is done; what it gives ends the limit.
func (c *connection) limit(ctx context.Context) func() {
	_ = c.socket.SetDeadline(time.Time{})
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			_ = c.socket.SetDeadline(time.Unix(1, 0))
		case <-done:
		}
	}()
	return func() { close(done); <-ended }
}

// answer says what a message is to the question asked last; false when it is no answer to it.
func (c *connection) answer(it object) (json.RawMessage, bool, error) {
	result, isResult := it["result"]
	isOurs, isError := string(it["id"]) == fmt.Sprint(c.lastID), !isNull(it["error"])
	_, err := optional[string](it, "method")
	switch {
	case err != nil:
		return nil, false, err
	case !isResult && !isError:
		return nil, false, c.keepNotice(it)
	case isResult && isError:
		return nil, false, fmt.Errorf("%w: an answer and a refusal at once", ErrProtocol)
	case isOurs && isResult:
		return result, true, nil
	case isOurs || (isNull(it["id"]) && isError): // without an id, a request that could not be read or admitted
		return nil, isOurs, refusal(it["error"])
	}
	return nil, false, fmt.Errorf("%w: an answer to another question came", ErrProtocol)
}

func (c *connection) keepNotice(it object) error {
	method, err := member[string](it, "method")
	if _, isResult := it["result"]; err != nil || isResult {
		return fmt.Errorf("%w: neither an answer nor a notice", ErrProtocol)
	}
	if method != "entitlement_changed" && method != "seat_changed" {
		return nil
	}
	told, err := member[object](it, "params")
	if err == nil && (told["subscription"] == nil || told["result"] == nil) {
		err = fmt.Errorf("%w: a notice has another shape than expected", ErrProtocol)
	}
	if c.notices = append(c.notices, told); len(c.notices) > noticesMax {
		return fmt.Errorf("%w: too many notices before an answer", ErrProtocol)
	}
	return err
}

// notice gives the next notice of a subscription, however long it takes.
func (c *connection) notice(ctx context.Context, subscription json.RawMessage) (json.RawMessage, error) {
	defer c.limit(ctx)()
	for {
		for len(c.notices) > 0 {
			told := c.notices[0]
			c.notices = c.notices[1:]
			if !bytes.Equal(told["subscription"], subscription) {
				continue
			}
			return told["result"], nil
		}
		it, err := c.message()
		if err == nil && !isNull(it["error"]) {
			err = refusal(it["error"])
		}
		if err == nil {
			err = c.keepNotice(it)
		}
		if err != nil {
			return nil, err
		}
	}
}

// message reads the next line that is not blank.
func (c *connection) message() (object, error) {
	chunk := make([]byte, 64<<10)
	for {
		if end := bytes.IndexByte(c.received[c.searched:], '\n'); end >= 0 {
			line := c.received[:c.searched+end]
			c.received, c.searched = c.received[c.searched+end+1:], 0
			if len(line) > lineMax {
				return nil, errTooLong
			}
			if len(bytes.Trim(line, blanks)) > 0 {
				return readLine(line)
			}
			continue
		}
		if c.searched = len(c.received); c.searched > lineMax {
			return nil, errTooLong
		}
		count, err := c.socket.Read(chunk)
		if c.received = append(c.received, chunk[:count]...); count == 0 && err != nil {
			return nil, c.lost(err)
		}
	}
}

func refusal(said json.RawMessage) error {
	it, _ := read(said)
	code, err := member[int](it, "code")
	if err != nil {
		return err
	}
	message, err := member[string](it, "message")
	if err != nil {
		return err
	}
	data, _ := optional[object](it, "data")
	name, _ := optional[string](data, "code")
	detail, _ := optional[string](data, "detail")
	help, _ := optional[string](data, "help")
	return &RefusedError{code, message, name, detail, help}
}

// timeOr says that time was up, where that is why; or that the caller gave up.
func timeOr(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil:
		return ErrTimeout
	}
	return err
}

// kind is what two errors of the same kind have in common.
func kind(err error) error {
	for _, it := range []error{ErrUnreachable, ErrUntrusted, ErrTimeout, ErrProtocol} {
		if errors.Is(err, it) {
			return it
		}
	}
	return nil
}

func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func min(a, b time.Duration) time.Duration {
	if a < b {
		return a
	}
	return b
}
