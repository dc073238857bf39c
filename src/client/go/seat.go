package entitled

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// awayPause is how long who waits leaves a daemon alone that was away.
const awayPause = time.Second

// changesMax changes are taken up at a time: whoever asks how it stands is answered, however many are told.
const changesMax = 64

// SeatRefusedError says that there is no seat; of UNDETERMINED, that it is not known whether there is one.
type SeatRefusedError struct {
	Code   string // SEATS_FULL, NOT_ENTITLED, UNDETERMINED, EXCLUDED or DRAINING
	Detail string
	Raw    json.RawMessage // all that the daemon said: holders, queue, used, capacity and others
}

func (e *SeatRefusedError) Error() string { return e.Code + ": " + e.Detail }

// Answer is No, or NotKnown.
func (e *SeatRefusedError) Answer() Answer {
	if e.Code == "UNDETERMINED" {
		return NotKnown
	}
	return No
}

// WithTier asks for a seat of this tier.
func WithTier(name string) Option { return func(it map[string]any) { it["tier"] = name } }

// SeatState is how a seat stands.
type SeatState struct {
	Answer Answer // Yes: it is held. No: it has ended, for good. NotKnown: the daemon is away
	Reason string // why it ended: capacity, revoked, …; or the code with which it was not given again
	EndsAt string // its pool has lost capacity, and it ends then: RFC 3339 in UTC
}

// Seat is a floating seat, held until it is released or the process ends. It is used by one goroutine at a time.
type Seat struct {
	ID   string
	Tier string
	Raw  json.RawMessage // all that the daemon said: fence, used, capacity, over and others

	client       *Client
	params       map[string]any
	connection   *connection
	subscription json.RawMessage
	state        SeatState
}

// TakeSeat takes a seat at DefaultPath.
func TakeSeat(ctx context.Context, product string, options ...Option) (*Seat, error) {
	return new(Client).Seat(ctx, product, options...)
}

// Seat takes a floating seat, of WithTier or WithFeature, and waits for one as WithWait says. An error is a
// *SeatRefusedError when there is none; otherwise the daemon could not be asked.
//
//	seat, err := client.Seat(ctx, "acme-cad", entitled.WithWait(10*time.Minute))
//	if err != nil {
//		return err
//	}
//	defer seat.Release()
func (c *Client) Seat(ctx context.Context, product string, options ...Option) (*Seat, error) {
	params := map[string]any{"product": product}
	for _, option := range options {
		option(params)
	}
	seat := &Seat{client: &Client{Path: c.Path, Timeout: c.Timeout}, params: params}
	var wait time.Duration
	if ms, ok := params["wait_ms"].(int64); ok {
		wait = time.Duration(ms) * time.Millisecond
	}
	err := seat.take(ctx, wait)
	if err != nil {
		return nil, err
	}
	delete(params, "wait_ms")
	return seat, nil
}

// take asks for the seat; whoever holds it is given the same.
func (s *Seat) take(ctx context.Context, wait time.Duration) error {
	ctx, cancel := s.client.limitedBeside(ctx, wait)
	defer cancel()
	it, err := open(ctx, s.client.Path)
	if err != nil {
		return err
	}
	if err := s.takeOver(ctx, it); err != nil {
		it.close()
		return err
	}
	s.connection = it
	return nil
}

func (s *Seat) takeOver(ctx context.Context, over *connection) error {
	said, err := over.ask(ctx, "seat_acquire", s.params)
	if err != nil {
		return err
	}
	it, err := read(said)
	if err != nil {
		return err
	}
	granted, err := member[bool](it, "granted")
	if err != nil {
		return err
	}
	code, err := member[string](it, "code")
	if err != nil {
		return err
	}
	detail, errDetail := absent[string](it, "detail")
	endsAt, errEndsAt := optional[string](it, "ends_at")
	product, errProduct := optional[string](it, "product")
	err = wrong(errDetail, errEndsAt, errProduct, is(optional[string](it, "seat")), is(optional[string](it, "tier")),
		is(optional[uint64](it, "queue")))
	if err != nil {
		return err
	}
	if !isNull(it["product"]) && product != s.params["product"] {
		return errOtherProduct
	}
	if !granted {
		return &SeatRefusedError{code, detail, said}
	}
	id, errID := member[string](it, "seat")
	tier, errTier := member[string](it, "tier")
	if err := wrong(errID, errTier); err != nil {
		return err
	}
	s.subscription, err = over.ask(ctx, "seat_subscribe", map[string]any{"product": s.params["product"], "seat": id})
	if errors.Is(err, errUnheard) {
		err = over.lost(err)
	}
	s.ID, s.Tier, s.Raw, s.state = id, tier, said, SeatState{Answer: Yes, EndsAt: endsAt}
	if err != nil {
		s.connection = over // nobody would hold it: it was granted, and its end cannot be told
		_ = s.Release()
	}
	return err
}

// Check says how the seat stands after its next change, or after wait. A daemon that was restarted is asked for it again,
// so this is to be called from time to time. Beside an error the answer is NotKnown.
func (s *Seat) Check(ctx context.Context, wait time.Duration) (SeatState, error) {
	if s.state.Answer == No {
		return s.state, nil
	}
	if s.connection != nil {
		if err := s.hear(ctx, wait); err == nil || s.state.Answer == No {
			return s.state, nil
		}
	} else if wait > 0 {
		sleep(ctx, min(wait, awayPause))
	}
	s.hangUp()
	err := s.take(ctx, 0)
	var refused *SeatRefusedError
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Answer() == No:
		s.state, err = SeatState{Answer: No, Reason: refused.Code}, nil
	default:
		s.state = SeatState{Answer: NotKnown}
		if refused != nil {
			s.state.Reason = refused.Code
		}
	}
	return s.state, err
}

// hear takes up what is told, waiting for it unless something was.
func (s *Seat) hear(ctx context.Context, wait time.Duration) error {
	const atOnce = time.Millisecond // a read takes what has arrived, and needs a moment that is not over yet
	limit := wait
	for changes := 0; changes < changesMax; changes++ {
		if limit < atOnce {
			limit = atOnce
		}
		moment, cancel := context.WithTimeout(ctx, limit)
		said, err := s.connection.notice(moment, s.subscription)
		isOver := moment.Err() != nil
		cancel()
		if err != nil {
			if isOver {
				return nil
			}
			return err
		}
		if err := s.takeUp(said); err != nil || s.state.Answer == No {
			s.hangUp()
			return err
		}
		limit = 0
	}
	return nil
}

func (s *Seat) takeUp(said json.RawMessage) error {
	it, err := read(said)
	if err != nil {
		return err
	}
	event, err := member[string](it, "event")
	if err != nil {
		return err
	}
	seat, err := member[object](it, "seat")
	if err != nil {
		return err
	}
	endsAt, errEndsAt := optional[string](seat, "ends_at")
	reason, errReason := optional[string](it, "reason")
	if err := wrong(errEndsAt, errReason); err != nil {
		return err
	}
	s.state = SeatState{Answer: Yes, EndsAt: endsAt}
	if event == "ended" {
		s.state = SeatState{Answer: No, Reason: reason}
	}
	return nil
}

// Release gives the seat back; once it has ended, it does nothing. An error says that the daemon could not be told; the
// seat ends with the process then.
func (s *Seat) Release() error {
	defer s.hangUp()
	if s == nil || s.state.Answer == No {
		return nil
	}
	s.state = SeatState{Answer: No, Reason: "released"}
	if s.connection != nil && !s.connection.isClosed {
		s.client.kept = s.connection
	}
	s.connection = nil
	defer s.client.Close()
	if _, err := s.client.Call(context.Background(), "seat_release", map[string]any{"seat": s.ID}); err != nil {
		return fmt.Errorf("the seat was not given back: %w", err)
	}
	return nil
}

func (s *Seat) hangUp() {
	if s != nil {
		s.connection.close()
		s.connection = nil
	}
}
