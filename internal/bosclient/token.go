package bosclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// renewBefore is how long before its expiry a token is replaced, or a quarter
	// of its lifetime if that is less: a token is always used more than once.
	renewBefore = 10 * time.Second
	// refusalPause is how long to wait before asking for another token if BOS
	// refuses the one that has just replaced a refused one.
	refusalPause = time.Minute
)

// ClientCredentials is a transport that adds an OAuth2 token to each request. It
// requests a new token shortly before the old one expires, and when BOS refuses the
// old one: tokens can be revoked, and some servers are wrong about their lifetime.
// The deadline of a request includes that of its token.
type ClientCredentials struct {
	// Config returns the credentials. It is called for each token, because they may
	// have changed.
	Config func() (*clientcredentials.Config, error)
	// Tokens carries the requests to the token server.
	Tokens http.RoundTripper
	// Next carries the requests with the tokens.
	Next http.RoundTripper

	mu       sync.Mutex
	last     *oauth2.Token
	renew    time.Time // when to replace it; zero if its expiry is unknown
	accepted bool      // whether BOS has ever accepted it
	replaced time.Time // when a refused token was last replaced
}

// tokenError is the error of a request that was not sent for lack of a token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "no token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// RoundTrip implements http.RoundTripper.
func (c *ClientCredentials) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := c.token(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(r, token)
	if err != nil || !refused(resp) {
		return resp, err
	}
	fresh, err := c.token(r.Context(), token)
	if err == nil && fresh == token {
		return resp, nil
	}
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	return c.send(r, fresh)
}

// CloseIdleConnections closes the idle connections to BOS and to the token server.
func (c *ClientCredentials) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{c.Next, c.Tokens} {
		(&http.Client{Transport: rt}).CloseIdleConnections()
	}
}

// refused reports whether a token was refused: the gateway of CSM responds to an
// expired one with 403.
func refused(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden
}

func (c *ClientCredentials) send(r *http.Request, token *oauth2.Token) (*http.Response, error) {
	r = r.Clone(r.Context())
	token.SetAuthHeader(r)
	resp, err := c.Next.RoundTrip(r)
	if err == nil && !refused(resp) && resp.StatusCode < 500 {
		c.mu.Lock()
		c.accepted = c.accepted || c.last == token
		c.mu.Unlock()
	}
	return resp, err
}

// token returns a valid token. It replaces the refused one, unless that would most
// likely yield another one to be refused.
func (c *ClientCredentials) token(ctx context.Context, refused *oauth2.Token) (*oauth2.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	valid := c.last != nil && (c.renew.IsZero() || time.Now().Before(c.renew))
	switch {
	case valid && c.last != refused:
		return c.last, nil
	case valid && !c.accepted && time.Since(c.replaced) < refusalPause:
		return refused, nil
	}
	token, err := c.fetch(ctx)
	if err != nil {
		return nil, &tokenError{err}
	}
	if refused != nil {
		c.replaced = time.Now()
	}
	c.last, c.accepted, c.renew = token, false, time.Time{}
	if !token.Expiry.IsZero() {
		// Without the monotonic clock, which stops while a machine sleeps.
		c.renew = token.Expiry.Add(-min(renewBefore, time.Until(token.Expiry)/4)).Round(0)
	}
	return token, nil
}

// fetch requests a token. It never follows a redirect, which would take the client
// secret to another server, or let one provide the token.
func (c *ClientCredentials) fetch(ctx context.Context) (*oauth2.Token, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: lenientTokens{c.Tokens}, CheckRedirect: neverFollow}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // the package may have dropped it
	}
	return token, err
}

// neverFollow is a policy for redirects.
func neverFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// lenientTokens lets the oauth2 package read what it would refuse: a byte order
// mark, and lifetimes such as 300.0. Without a lifetime above 0, the expiry of a
// token is unknown.
type lenientTokens struct{ next http.RoundTripper }

func (t lenientTokens) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body = http.NoBody // what follows is no body, and no deadline ends its reading
		return resp, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	body = bytes.TrimPrefix(body, []byte(byteOrderMark))
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) == nil && members["expires_in"] != nil {
		seconds, err := strconv.ParseFloat(strings.Trim(string(members["expires_in"]), `"`), 64)
		if err == nil && seconds > 0 {
			members["expires_in"] = strconv.AppendInt(nil, int64(math.Ceil(min(seconds, math.MaxInt32))), 10)
		} else {
			delete(members, "expires_in")
		}
		if body, err = json.Marshal(members); err != nil {
			return nil, err
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// ParseTokenURL checks the URL of a token server and returns it without surrounding
// white space. Its errors do not quote the URL, which may contain a password.
func ParseTokenURL(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", errors.New("the OAuth2 token URL must begin with http:// or https:// and a host, such as https://api-gw-service-nmn.local/keycloak/realms/shasta/protocol/openid-connect/token")
	case u.User != nil:
		return "", errors.New("the OAuth2 token URL must not contain a user or password: give the client id and the client secret")
	}
	return raw, nil
}

// TrimBearer returns a token without what is easily copied along with it: white
// space and the word Bearer.
func TrimBearer(token string) string {
	token = strings.TrimSpace(token)
	if scheme, rest, found := strings.Cut(token, " "); found && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return token
}
