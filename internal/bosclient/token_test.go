package bosclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bos-exporter/bos-exporter/internal/bos"
)

// tokenServer gives out the tokens t1, t2 and so on.
type tokenServer struct {
	t         *testing.T
	given     int
	expiresIn string // JSON
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
	if s.refuses {
		return answer(401, "application/json", `{"error":"invalid_client","error_description":"hunter2 is wrong"}`)(r)
	}
	s.given++
	return answer(200, "application/json", fmt.Sprintf(`{"access_token":"t%d","expires_in":%s,"token_type":"bearer"}`, s.given, s.expiresIn))(r)
}

// withTokens returns a client, and the tokens that it has sent to BOS.
func withTokens(t *testing.T, tokens http.RoundTripper, accepts func(token string) bool, timeout time.Duration) (*Client, *[]string) {
	t.Helper()
	var sent []string
	c := newClient(t, &ClientCredentials{
		Config: func() (*clientcredentials.Config, error) {
			return &clientcredentials.Config{ClientID: "me", ClientSecret: "hunter2", TokenURL: "http://keycloak.test/token?key=hunter2", AuthStyle: oauth2.AuthStyleInParams}, nil
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

// Tokens are replaced before they expire, and serve more than one request however
// short they live.
func TestTokensAreKeptAndRenewed(t *testing.T) {
	for _, tt := range []struct {
		name, expiresIn string
		want            []int // requests for which each token serves, one request a second
	}{
		{"5 minutes", `300`, []int{290, 290, 20}},
		{"10 seconds", `10`, []int{8, 8, 8}},
		{"4 seconds", `4`, []int{3, 3, 3}},
		{"a decimal number", `300.0`, []int{290, 10}},
		{"a string", `"300"`, []int{290, 10}},
		{"a decimal number in a string", `"300.0"`, []int{290, 10}},
		{"0", `0`, []int{1000}},
		{"below 0", `-1`, []int{1000}},
		{"null", `null`, []int{1000}},
		{"nonsense", `"never"`, []int{1000}},
		{"more than a number holds", `1e99`, []int{1000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, sent := withTokens(t, &tokenServer{t: t, expiresIn: tt.expiresIn}, func(string) bool { return true }, time.Second)
				total := 0
				for _, n := range tt.want {
					total += n
				}
				for range total {
					if _, err := ids(t.Context(), c); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				var got []int
				for i, token := range *sent {
					if i == 0 || token != (*sent)[i-1] {
						got = append(got, 0)
					}
					got[len(got)-1]++
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("the tokens served for %v requests, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestRefusedTokenIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		valid := map[string]bool{"t2": true}
		c, sent := withTokens(t, &tokenServer{t: t, expiresIn: "3000"}, func(token string) bool { return valid[token] }, time.Second)
		for _, step := range []struct {
			name  string
			valid []string
			wait  time.Duration
			want  string // the tokens sent for a request
			err   bos.Reason
		}{
			{"the first one is refused", []string{"t2"}, 0, "t1 t2", ""},
			{"all is well", []string{"t2"}, 0, "t2", ""},
			{"revoked at once", []string{"t3"}, 0, "t2 t3", ""},
			{"the next one is refused, too", nil, 0, "t3 t4", bos.Unauthorized},
			{"no more are requested", nil, 0, "t4", bos.Unauthorized},
			{"not for a while", nil, refusalPause - time.Second, "t4", bos.Unauthorized},
			{"until the pause is over", []string{"t5"}, time.Second, "t4 t5", ""},
		} {
			time.Sleep(step.wait)
			clear(valid)
			for _, token := range step.valid {
				valid[token] = true
			}
			*sent = nil
			_, err := ids(t.Context(), c)
			if got := strings.Join(*sent, " "); got != step.want || (err != nil) != (step.err != "") || err != nil && bos.ReasonOf(err) != step.err {
				t.Errorf("%s: sent %s, want %s; got error %v, want %q", step.name, got, step.want, err, step.err)
			}
		}
	})
}

// Whatever the token server redirects to gets no secret and provides no token.
func TestTokenServerRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				t.Errorf("the other server got %s with %q", r.Method, r.FormValue("client_secret"))
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"access_token":"stolen","token_type":"bearer"}`)
			}))
			defer stranger.Close()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, strings.Replace(stranger.URL, "://", "://me:hunter2@", 1)+"/token?secret=hunter2", status)
			}))
			defer server.Close()
			tokens := &http.Transport{DisableKeepAlives: true}
			c := newClient(t, &ClientCredentials{
				Config: func() (*clientcredentials.Config, error) {
					return &clientcredentials.Config{ClientID: "me", ClientSecret: "hunter2", TokenURL: server.URL, AuthStyle: oauth2.AuthStyleInParams}, nil
				},
				Tokens: tokens,
				Next: transport(func(r *http.Request) (*http.Response, error) {
					t.Errorf("BOS got %q", r.Header.Get("Authorization"))
					return answer(200, "application/json", "[]")(r)
				}),
			})
			_, err := ids(t.Context(), c)
			if want := "the token server redirects to " + stranger.URL + "/token, "; bos.ReasonOf(err) != bos.Unauthorized || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got error %v, want one with %q and without secrets", err, want)
			}
		})
	}
}

// idle is a transport that counts how often its idle connections are closed.
type idle struct {
	http.RoundTripper
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestCloseIdleConnectionsReachesBehindTokens(t *testing.T) {
	next, tokens := new(idle), new(idle)
	newClient(t, &ClientCredentials{Next: next, Tokens: tokens}).CloseIdleConnections()
	if next.closed != 1 || tokens.closed != 1 {
		t.Errorf("idle connections were closed %d times to BOS and %d times to the token server, want once each", next.closed, tokens.closed)
	}
}

func TestTrimBearer(t *testing.T) {
	for _, tt := range []struct{ name, token, want string }{
		{"plain", "abc", "abc"},
		{"white space", " abc\n", "abc"},
		{"with the scheme", "Bearer abc", "abc"},
		{"in any case", "bearer  abc ", "abc"},
		{"a token that begins alike", "Bearerabc", "Bearerabc"},
		{"another scheme", "Basic abc", "Basic abc"},
		{"nothing", " ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := TrimBearer(tt.token); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseTokenURL(t *testing.T) {
	const good = "https://keycloak.test/realms/shasta/token"
	for _, tt := range []struct{ name, url, want, err string }{
		{"plain", good, good, ""},
		{"white space around it", " " + good + "\n", good, ""},
		{"a query", good + "?kc=1", good + "?kc=1", ""},
		{"empty", "", "", "must begin with"},
		{"no scheme", "keycloak.test/token", "", "must begin with"},
		{"no host", "https:///token", "", "must begin with"},
		{"a password", "https://me:hunter2@keycloak.test/token", "", "user or password"},
		{"a password with a space", "https://me:hunter2 x@keycloak.test/token", "", "must begin with"},
		{"a password with a slash", "https://me:hunter2/@keycloak.test/token", "", "must begin with"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTokenURL(tt.url)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("got error %v, want one with %q", err, tt.err)
			}
		})
	}
}

func TestTokenServerInTrouble(t *testing.T) {
	hangs := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for _, tt := range []struct {
		name   string
		tokens http.RoundTripper
		reason bos.Reason
		says   string
	}{
		{"refuses the client", &tokenServer{t: t, refuses: true}, bos.Unauthorized, "no token: the token server refused (invalid_client)"},
		{"is down", answer(503, "text/html", "hunter2"), bos.Unavailable, "no token: the token server refused with status 503"},
		{"is out of reach", transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }),
			bos.Unavailable, "no token: http://keycloak.test/token: connection refused"},
		{"hangs", transport(hangs), bos.Unavailable, "no token: no response within 50ms"},
		{"hangs in mid-response", transport(func(r *http.Request) (*http.Response, error) {
			resp, err := answer(200, "application/json", "")(r)
			resp.Body = io.NopCloser(reader(func([]byte) (int, error) {
				_, err := hangs(r)
				return 0, err
			}))
			return resp, err
		}), bos.Unavailable, "no token: no response within 50ms"},
		{"speaks something else", answer(200, "text/html", "<html>"), bos.Unavailable, "no token: oauth2: cannot parse json"},
		{"sends a byte order mark", answer(200, "application/json", "\uFEFF"+`{"access_token":"t","token_type":"bearer"}`), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, sent := withTokens(t, tt.tokens, func(string) bool { return true }, 50*time.Millisecond)
				_, err := ids(t.Context(), c)
				switch {
				case tt.reason == "":
					if err != nil || !slices.Equal(*sent, []string{"t"}) {
						t.Errorf("sent %q, %v, want t", *sent, err)
					}
				case err == nil || bos.ReasonOf(err) != tt.reason || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2"):
					t.Errorf("got error %v, want one that is %s and says %q", err, tt.reason, tt.says)
				case len(*sent) > 0:
					t.Errorf("sent %q", *sent)
				case bos.IsTimeout(err) != strings.Contains(tt.says, "no response within"):
					t.Errorf("is a timeout: %t", bos.IsTimeout(err))
				}
			})
		})
	}
	t.Run("is not waited for", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, _ := withTokens(t, transport(hangs), nil, time.Minute)
		go cancel()
		if _, err := ids(ctx, c); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want %v", err, context.Canceled)
		}
	})
}

// reader is an io.Reader made of a function.
type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }
