package bosclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// tokenServer gives out the tokens t1, t2 and so on.
type tokenServer struct {
	t         *testing.T
	given     int
	expiresIn int  // seconds
	hangs     bool // until the request ends
	refuses   bool
}

func (s *tokenServer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("client_id") != "me" || form.Get("client_secret") != "hunter2" || form.Get("grant_type") != "client_credentials" || r.Header.Get("Authorization") != "" {
		s.t.Errorf("asked with %s and %v", body, r.Header)
	}
	if s.hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if s.refuses {
		return answer(401, "application/json", `{"error":"invalid_client","error_description":"hunter2 is wrong"}`)(r)
	}
	s.given++
	return answer(200, "application/json", fmt.Sprintf(`{"access_token":"t%d","expires_in":%d,"token_type":"bearer"}`, s.given, s.expiresIn))(r)
}

// withTokens returns a client, and the tokens that it has sent to BOS.
func withTokens(t *testing.T, tokens *tokenServer, accepts func(token string) bool, timeout time.Duration) (*Client, *[]string) {
	t.Helper()
	var sent []string
	c := newClient(t, &ClientCredentials{
		Config: func() (*clientcredentials.Config, error) {
			return &clientcredentials.Config{ClientID: "me", ClientSecret: "hunter2", TokenURL: "http://keycloak.test/token", AuthStyle: oauth2.AuthStyleInParams}, nil
		},
		Tokens: tokens,
		Next: transport(func(r *http.Request) (*http.Response, error) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			sent = append(sent, token)
			if !accepts(token) {
				return answer(403, "text/plain", "Unauthorized Request")(r)
			}
			return answer(200, "application/json", "[]")(r)
		}),
	}, func(c *Config) { c.Timeout = timeout })
	return c, &sent
}

func TestTokensAreKeptAndRenewed(t *testing.T) {
	all := func(string) bool { return true }
	for expiresIn, want := range map[int]string{300: "t1 t1 t1", 5: "t1 t2 t3"} { // 5 s is as good as expired
		c, sent := withTokens(t, &tokenServer{t: t, expiresIn: expiresIn}, all, time.Second)
		for range 3 {
			if _, err := c.Sessions(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(*sent, " "); got != want {
			t.Errorf("expires_in %d: sent %s, want %s", expiresIn, got, want)
		}
	}
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	c, sent := withTokens(t, &tokenServer{t: t, expiresIn: 300}, func(token string) bool { return token != "t1" }, time.Second)
	if _, err := c.Sessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(*sent, " "); got != "t1 t2" {
		t.Errorf("sent %s", got)
	}
	c, sent = withTokens(t, &tokenServer{t: t, expiresIn: 300}, func(string) bool { return false }, time.Second)
	if _, err := c.Sessions(t.Context()); ReasonOf(err) != Unauthorized || len(*sent) != 2 {
		t.Errorf("%v after %v", err, *sent)
	}
}

func TestTokenServerInTrouble(t *testing.T) {
	c, sent := withTokens(t, &tokenServer{t: t, refuses: true}, nil, time.Second)
	_, err := c.Sessions(t.Context())
	if ReasonOf(err) != Unauthorized || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "invalid_client") || len(*sent) > 0 {
		t.Errorf("%v", err)
	}
	c, _ = withTokens(t, &tokenServer{t: t, hangs: true}, nil, 10*time.Millisecond)
	if _, err := c.Sessions(t.Context()); !IsTimeout(err) {
		t.Errorf("a token server that hangs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, _ = withTokens(t, &tokenServer{t: t, hangs: true}, nil, time.Minute)
	go cancel()
	if _, err := c.Sessions(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
