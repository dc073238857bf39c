// Package entitled asks the daemon that keeps the licences of a Linux machine what a program is entitled to.
//
// There are three answers: Yes, No, and NotKnown. An error is never a no; the answer of the verdict beside it is NotKnown.
package entitled

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Answer is one of three. Its zero value is NotKnown.
type Answer int

const (
	NotKnown Answer = iota
	Yes
	No
)

func (a Answer) String() string {
	return [...]string{"not known", "yes", "no"}[a]
}

// No answer, and why. None of these says that the caller is not entitled. See also RefusedError.
var (
	// ErrUnreachable: nobody answers at the socket, or the connection broke off.
	ErrUnreachable = errors.New("the daemon cannot be reached")
	// ErrUntrusted: somebody answers who is neither root, nor the caller, nor the owner of the socket's directory.
	ErrUntrusted = errors.New("the socket is served by a stranger")
	// ErrTimeout: the daemon did not answer in time.
	ErrTimeout = errors.New("the daemon did not answer in time")
	// ErrProtocol: what was said is not JSON-RPC 2.0, or not an answer to what was asked.
	ErrProtocol = errors.New("the conversation with the daemon failed")

	errOtherProduct   = fmt.Errorf("%w: the answer is about another product", ErrProtocol)
	errOtherFeature   = fmt.Errorf("%w: the answer is not about the feature asked for", ErrProtocol)
	errOtherPublisher = fmt.Errorf("%w: the answer rests on another publisher's word", ErrProtocol)
)

// RefusedError says that the daemon understood and declined: it is full, or busy, or does not allow it.
type RefusedError struct {
	Code    int
	Message string
	Name    string // such as LIMIT_EXCEEDED, where the daemon gave it
	Detail  string
	Help    string
}

func (e *RefusedError) Error() string { return e.Message }

// Verdict is what the caller is entitled to of one product, and why. Answer decides; the rest explains.
type Verdict struct {
	Product  string
	Answer   Answer
	Code     string // VALID, NOT_HELD, UNDETERMINED, …; empty when the daemon gave no verdict
	Detail   string // for people
	Tier     string
	Features map[string]any  // numbers are json.Number; read it through Feature, which looks at Answer too
	Raw      json.RawMessage // all that the daemon said; times are RFC 3339 in UTC
}

// Has says whether the caller is entitled to a feature: its tier names it, and not as false, zero or empty.
func (v Verdict) Has(feature string) Answer {
	if v.Answer != Yes {
		return v.Answer
	}
	on := false
	switch value := v.Features[feature].(type) {
	case nil:
	case bool:
		on = value
	case string:
		on = value != ""
	case json.Number:
		number, _ := value.Float64()
		on = number != 0
	default:
		on = true
	}
	if on {
		return Yes
	}
	return No
}

// Feature is the value of a feature; false when the caller is not known to be entitled, or the tier does not name it.
func (v Verdict) Feature(name string) (any, bool) {
	value, found := v.Features[name]
	return value, found && v.Answer == Yes
}

// readVerdict reads what was said to what was asked. About another product it is no answer, and neither is a yes that is not
// about the feature and the publisher that were named.
func readVerdict(asked map[string]any, said json.RawMessage) (Verdict, error) {
	product, _ := asked["product"].(string)
	verdict := Verdict{Product: product}
	it, err := read(said)
	if err != nil {
		return verdict, err
	}
	whole := Verdict{Raw: said, Features: map[string]any{}}
	valid, errValid := member[bool](it, "valid")
	var errs [4]error
	whole.Product, errs[0] = member[string](it, "product")
	whole.Code, errs[1] = member[string](it, "code")
	whole.Detail, errs[2] = absent[string](it, "detail")
	whole.Tier, errs[3] = optional[string](it, "tier")
	features, errFeatures := absent[object](it, "features")
	if err := wrong(errValid, errs[0], errs[1], errs[2], errs[3], errFeatures, requireRest(it)); err != nil {
		return verdict, err
	}
	for name, value := range features {
		decoder := json.NewDecoder(bytes.NewReader(value))
		decoder.UseNumber()
		var feature any
		_ = decoder.Decode(&feature) // it was valid as a part of the whole
		whole.Features[name] = feature
	}
	if whole.Product != product {
		return verdict, errOtherProduct
	}
	switch {
	case whole.Code == "UNDETERMINED":
	case valid:
		whole.Answer = Yes
	default:
		whole.Answer = No
	}
	if whole.Answer == Yes {
		if name, named := asked["feature"].(string); named {
			if value := whole.Features[name]; value == nil || value == false {
				return verdict, errOtherFeature
			}
		}
		if key, named := asked["publisher"].(string); named {
			if publisher, _ := optional[string](it, "publisher"); publisher != key {
				return verdict, errOtherPublisher
			}
		}
	}
	return whole, nil
}

// requireRest looks at what a verdict says beside what is read of it.
func requireRest(it object) error {
	for _, name := range [...]string{"publisher", "customer", "wallet", "token", "freshness", "trust",
		"verified_at", "stale_after", "grace_until", "expires_at"} {
		if _, err := optional[string](it, name); err != nil {
			return err
		}
	}
	err := wrong(is(absent[bool](it, "provisional")), is(optional[uint32](it, "rank")), is(optional[uint32](it, "seats")),
		is(optional[int64](it, "seconds_until_change")))
	if err != nil || isNull(it["anchor"]) {
		return err
	}
	anchor, err := member[object](it, "anchor")
	return wrong(err, is(member[string](anchor, "chain")), is(member[uint64](anchor, "number")), is(member[string](anchor, "hash")),
		is(optional[string](anchor, "time")), is(optional[string](anchor, "finality")))
}

// Option is what else a check may say.
type Option func(params map[string]any)

// WithFeature also requires a feature.
func WithFeature(name string) Option { return func(it map[string]any) { it["feature"] = name } }

// WithPublisher names the minisign public key that must have signed the product's file. Compile it in.
func WithPublisher(key string) Option { return func(it map[string]any) { it["publisher"] = key } }

// WithWait says how long the daemon may wait for the chain, two seconds without it; or for a seat, which is not at all
// without it and an hour at most.
func WithWait(wait time.Duration) Option {
	return func(it map[string]any) { it["wait_ms"] = wait.Milliseconds() }
}

// Client asks the daemon. Its zero value is ready to use, by any number of goroutines; it asks one question at a time. Its
// connection mends itself when the daemon was restarted.
type Client struct {
	Path    string        // where the daemon listens; DefaultPath() if empty
	Timeout time.Duration // the limit for each question altogether, beside the context's; 5 s if zero

	turn turn
	kept *connection // absent after anything went wrong on it
}

// Check asks once, at DefaultPath, what the caller is entitled to of product.
func Check(ctx context.Context, product string, options ...Option) (Verdict, error) {
	var client Client
	defer client.Close()
	return client.Check(ctx, product, options...)
}

// Check says what the caller is entitled to of product. Beside an error the verdict's answer is NotKnown.
func (c *Client) Check(ctx context.Context, product string, options ...Option) (Verdict, error) {
	params := map[string]any{"product": product}
	for _, option := range options {
		option(params)
	}
	said, err := c.Call(ctx, "entitlement_check", params)
	if err != nil {
		return Verdict{Product: product}, err
	}
	return readVerdict(params, said)
}

// Call asks any method, and gives its result. Params may be nil.
func (c *Client) Call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	if err := c.turn.take(ctx); err != nil {
		return nil, timeOr(ctx, err)
	}
	defer c.turn.give()
	kept := c.kept
	c.kept = nil
	if kept != nil && kept.isQuiet() {
		result, err := kept.ask(ctx, method, params)
		if !errors.Is(err, errUnheard) {
			c.keep(kept)
			return result, err
		}
	}
	kept.close()
	fresh, err := open(ctx, c.Path)
	if err != nil {
		return nil, err
	}
	result, err := fresh.ask(ctx, method, params)
	c.keep(fresh)
	return result, err
}

// Close hangs up. The client can still be used; it connects again.
func (c *Client) Close() error {
	_ = c.turn.take(context.Background())
	defer c.turn.give()
	c.kept.close()
	c.kept = nil
	return nil
}

func (c *Client) keep(it *connection) {
	if !it.isClosed {
		c.kept = it
	}
}

func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return c.limitedBeside(ctx, 0)
}

// limitedBeside gives the daemon so much more time.
func (c *Client) limitedBeside(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	limit := c.Timeout
	if limit == 0 {
		limit = 5 * time.Second
	}
	return context.WithTimeout(ctx, limit+wait)
}

// Watch follows the verdict about product, on a connection of its own, until the context is done:
//
//	for watch := client.Watch(ctx, "acme-cad"); watch.Next(); {
//		use(watch.Verdict(), watch.Err())
//	}
func (c *Client) Watch(ctx context.Context, product string) *Watch {
	return &Watch{ctx: ctx, client: &Client{Path: c.Path, Timeout: c.Timeout}, product: product}
}

// Watch is an iterator of verdicts that does not end by itself. When the daemon goes away it gives a verdict that is
// NotKnown beside an error, and then the present one of the next daemon.
type Watch struct {
	ctx          context.Context
	client       *Client
	product      string
	connection   *connection
	subscription json.RawMessage
	pause        time.Duration
	verdict      Verdict
	err, last    error
}

// Next waits for the next verdict; false when the context is done.
func (w *Watch) Next() bool {
	for w.ctx.Err() == nil {
		w.verdict, w.err = w.next()
		if w.ctx.Err() != nil {
			break
		}
		if w.err == nil {
			w.pause, w.last = 0, nil
			return true
		}
		w.connection.close()
		w.connection = nil
		isNews := w.last == nil || kind(w.err) != kind(w.last)
		w.last = w.err
		if isNews {
			return true
		}
	}
	w.connection.close()
	w.connection, w.verdict, w.err = nil, Verdict{Product: w.product}, w.ctx.Err()
	return false
}

// Verdict is the one that Next waited for.
func (w *Watch) Verdict() Verdict { return w.verdict }

// Err says why the verdict is not known, where the daemon did not say it; or why there are no more.
func (w *Watch) Err() error { return w.err }

func (w *Watch) next() (Verdict, error) {
	if w.connection == nil {
		if w.last != nil {
			sleep(w.ctx, w.pause)
			w.pause = min(2*w.pause+50*time.Millisecond, 5*time.Second)
		}
		ctx, cancel := w.client.limited(w.ctx)
		defer cancel()
		var err error
		if w.connection, err = open(ctx, w.client.Path); err != nil {
			return Verdict{Product: w.product}, err
		}
		params := map[string]any{"product": w.product}
		if w.subscription, err = w.connection.ask(ctx, "entitlement_subscribe", params); err != nil {
			return Verdict{Product: w.product}, err
		}
	}
	said, err := w.connection.notice(w.ctx, w.subscription)
	if err != nil {
		return Verdict{Product: w.product}, err
	}
	return readVerdict(map[string]any{"product": w.product}, said)
}
