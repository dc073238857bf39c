package entitled

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	depthMax = 127       // of objects and lists in each other
	blanks   = " \t\r\n" // those of JSON
)

// object is read by its members' exact names; encoding/json would take others that differ in case for them.
type object map[string]json.RawMessage

// member reads a member that has to be there. -0 is no whole number.
func member[T any](o object, name string) (it T, err error) {
	if said := o[name]; isNull(said) || string(said) == "-0" || json.Unmarshal(said, &it) != nil {
		return it, fmt.Errorf("%w: %s is missing, or has another shape than expected", ErrProtocol, name)
	}
	return it, nil
}

// optional reads a member that may be absent or null.
func optional[T any](o object, name string) (it T, err error) {
	if isNull(o[name]) {
		return it, nil
	}
	return member[T](o, name)
}

// absent reads a member that may be absent, and not null.
func absent[T any](o object, name string) (it T, err error) {
	if o[name] == nil {
		return it, nil
	}
	return member[T](o, name)
}

func isNull(it json.RawMessage) bool { return it == nil || string(it) == "null" }

// wrong gives the first of these that is an error.
func wrong(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// is says whether a member has a kind.
func is[T any](_ T, err error) error { return err }

// read reads an object, which has to be UTF-8: encoding/json alone would mend what is not.
func read(text []byte) (object, error) {
	var it object
	if !utf8.Valid(text) || json.Unmarshal(text, &it) != nil || it == nil {
		return nil, fmt.Errorf("%w: what the daemon said is no JSON object", ErrProtocol)
	}
	return it, nil
}

// readLine reads an object that no two readers understand otherwise (RFC 7493). encoding/json alone takes the last of what
// is said twice, and mends half of a surrogate pair.
func readLine(line []byte) (object, error) {
	it, err := read(line)
	if err == nil {
		err = requirePlain(line)
	}
	return it, err
}

// requirePlain looks at a text that is JSON.
func requirePlain(text []byte) error {
	not := func(why string) error { return fmt.Errorf("%w: %s", ErrProtocol, why) }
	var open []map[string]bool // the names in each object that is not closed; nil for a list
	for at := 0; at < len(text); {
		end := at + 1
		switch it := text[at]; {
		case it == '{' || it == '[':
			if open = append(open, nil); len(open) > depthMax {
				return not("it is nested too deep")
			}
			if it == '{' {
				open[len(open)-1] = map[string]bool{}
			}
		case it == '}' || it == ']':
			open = open[:len(open)-1]
		case it == '"':
			for ; text[end] != '"'; end++ {
				if text[end] == '\\' {
					end++
				}
			}
			end++
			if hasHalf(text[at:end]) {
				return not("half of a surrogate pair is no character")
			}
			if rest := bytes.TrimLeft(text[end:], blanks); len(rest) > 0 && rest[0] == ':' {
				var name string
				if names := open[len(open)-1]; json.Unmarshal(text[at:end], &name) != nil || names[name] {
					return not("a member is said twice")
				}
				open[len(open)-1][name] = true
			}
		case it == '-' || '0' <= it && it <= '9':
			for end < len(text) && bytes.IndexByte([]byte("+-.0123456789eE"), text[end]) >= 0 {
				end++
			}
			if _, err := strconv.ParseFloat(string(text[at:end]), 64); err != nil {
				return not("a number is beyond all numbers")
			}
		}
		at = end
	}
	return nil
}

// hasHalf says whether a text in JSON has an escape of half of a surrogate pair without the other.
func hasHalf(text []byte) bool {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		if at++; text[at] != 'u' {
			continue
		}
		first := unicodeAt(text, at-1)
		if at += 4; !utf16.IsSurrogate(first) {
			continue
		}
		// 0xFFFD is what is no pair.
		if utf16.DecodeRune(first, unicodeAt(text, at+1)) == utf8.RuneError {
			return true
		}
		at += 6
	}
	return false
}

// unicodeAt is what is escaped as \uXXXX there; 0 where nothing is.
func unicodeAt(text []byte, at int) rune {
	if len(text) < at+6 || text[at] != '\\' || text[at+1] != 'u' {
		return 0
	}
	it, _ := strconv.ParseUint(string(text[at+2:at+6]), 16, 16)
	return rune(it)
}
