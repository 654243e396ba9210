package bosclient

import (
	"context"
	"net/http"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// ClientCredentials sends an OAuth2 token with each request. It takes a new one
// shortly before the old one expires, by the expires_in of the token server, and
// once more when BOS refuses the one it has: tokens can be revoked, and some
// servers are wrong about how long theirs last. The deadline of a request is that
// of its token, too.
type ClientCredentials struct {
	// Config gives the credentials, anew for each token: they may be renewed.
	Config func() (*clientcredentials.Config, error)
	// Tokens carries requests to the token server.
	Tokens http.RoundTripper
	// Next carries requests with a token.
	Next http.RoundTripper

	mu   sync.Mutex
	last *oauth2.Token
}

// RoundTrip implements http.RoundTripper.
func (c *ClientCredentials) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := c.token(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(r, token)
	// The gateway of CSM says 403 to an expired token.
	if err != nil || resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return resp, err
	}
	fresh, err := c.token(r.Context(), token)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	_ = resp.Body.Close()
	return c.send(r, fresh)
}

func (c *ClientCredentials) send(r *http.Request, token *oauth2.Token) (*http.Response, error) {
	r = r.Clone(r.Context())
	token.SetAuthHeader(r)
	return c.Next.RoundTrip(r)
}

// token returns a valid token that is not the refused one.
func (c *ClientCredentials) token(ctx context.Context, refused *oauth2.Token) (*oauth2.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.Valid() && c.last != refused {
		return c.last, nil
	}
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: c.Tokens}))
	if err != nil {
		return nil, err
	}
	c.last = token
	return token, nil
}
