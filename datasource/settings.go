package datasource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// settings are those of an instance, apart from those that the SDK reads itself: TLS,
// basic auth, headers and proxy.
type settings struct {
	uid        string // of the instance, for links
	url        string
	api        string // one of bosapi.Choices; "" for the default
	tenant     string
	timeout    time.Duration // of a request to BOS
	cache      time.Duration // maximum age of an answer
	maxRows    int
	maxAge     time.Duration // of sessions that are read at once; 0 is no maximum
	limits     bos.Limits    // those that are set; the others are up to BOS
	skipVerify bool          // the certificate of BOS is not verified

	bearerToken string
	oauth2      *clientcredentials.Config
}

const (
	defaultCache   = 10 * time.Second
	defaultMaxRows = 5000
)

// number is a whole number in JSON. It may be in a string, as it is when provisioned
// from an environment variable.
type number struct {
	set   bool
	value float64
}

func (n *number) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		return nil
	case float64:
		n.set, n.value = true, v
		return nil
	case string:
		if v = strings.TrimSpace(v); v == "" {
			return nil
		}
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", v)
		}
		n.set, n.value = true, f
		return nil
	default:
		return fmt.Errorf("%s is not a number", b)
	}
}

// within returns the number, or a default if it is not set. It must be a whole number
// between two others.
func (n number) within(name string, least, most, otherwise int) (int, error) {
	switch {
	case !n.set:
		return otherwise, nil
	case n.value != math.Trunc(n.value) || n.value < float64(least) || n.value > float64(most): // or NaN
		return 0, fmt.Errorf("%s is %v: it must be a whole number from %d to %d", name, n.value, least, most)
	default:
		return int(n.value), nil
	}
}

// duration reads a duration such as 10m or 168h. Without one it is a default.
func duration(name, text string, least, otherwise time.Duration) (time.Duration, error) {
	if text = strings.TrimSpace(text); text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is %q: it must be a duration such as 90s, 10m or 168h", name, text)
	case d < least:
		return 0, fmt.Errorf("%s is %s: it must be %s or more", name, d, least)
	default:
		return d, nil
	}
}

// parseSettings reads the settings of an instance. Errors are for the person who
// configures it.
func parseSettings(s backend.DataSourceInstanceSettings) (settings, error) {
	var j struct {
		API            string `json:"api"`
		Tenant         string `json:"tenant"`
		CacheSeconds   number `json:"cacheSeconds"`
		MaxRows        number `json:"maxRows"`
		Timeout        number `json:"timeout"`
		StuckShutdown  string `json:"stuckShutdown"`
		StuckOther     string `json:"stuckOther"`
		StuckAbandoned string `json:"stuckAbandoned"`
		SessionsMaxAge string `json:"sessionsMaxAge"`
		TLSSkipVerify  bool   `json:"tlsSkipVerify"`
		OAuthPassThru  bool   `json:"oauthPassThru"`
		OAuth2         struct {
			TokenURL string   `json:"tokenUrl"`
			ClientID string   `json:"clientId"`
			Scopes   []string `json:"scopes"`
		} `json:"oauth2"`
	}
	if len(s.JSONData) > 0 {
		if err := json.Unmarshal(s.JSONData, &j); err != nil {
			return settings{}, fmt.Errorf("jsonData of the datasource cannot be read: %w", err)
		}
	}
	c := settings{
		uid: s.UID, url: s.URL, api: j.API, tenant: j.Tenant, skipVerify: j.TLSSkipVerify,
		bearerToken: bosclient.TrimBearer(s.DecryptedSecureJSONData["bearerToken"]),
	}
	for _, n := range []struct {
		name                   string
		given                  number
		least, most, otherwise int
		use                    func(int)
	}{
		{"timeout", j.Timeout, 0, 600, 0, func(n int) {
			c.timeout = cmp.Or(time.Duration(n)*time.Second, bosclient.DefaultTimeout) // Grafana stores 0 for none
		}},
		{"cacheSeconds", j.CacheSeconds, 0, 24 * 60 * 60, int(defaultCache.Seconds()), func(n int) { c.cache = time.Duration(n) * time.Second }},
		{"maxRows", j.MaxRows, 1, 1_000_000, defaultMaxRows, func(n int) { c.maxRows = n }},
	} {
		value, err := n.given.within(n.name, n.least, n.most, n.otherwise)
		if err != nil {
			return c, err
		}
		n.use(value)
	}
	for _, d := range []struct {
		name, given      string
		least, otherwise time.Duration
		into             *time.Duration
	}{
		{"stuckShutdown", j.StuckShutdown, bos.MinLimit, 0, &c.limits.Shutdown},
		{"stuckOther", j.StuckOther, bos.MinLimit, 0, &c.limits.Other},
		{"stuckAbandoned", j.StuckAbandoned, bos.MinLimit, 0, &c.limits.Abandoned},
		{"sessionsMaxAge", j.SessionsMaxAge, 0, inventory.DefaultMaxAge, &c.maxAge},
	} {
		var err error
		if *d.into, err = duration(d.name, d.given, d.least, d.otherwise); err != nil {
			return c, err
		}
	}
	if j.OAuth2.TokenURL != "" || j.OAuth2.ClientID != "" {
		c.oauth2 = &clientcredentials.Config{
			ClientID:     j.OAuth2.ClientID,
			ClientSecret: s.DecryptedSecureJSONData["oauth2ClientSecret"],
			Scopes:       j.OAuth2.Scopes,
			AuthStyle:    oauth2.AuthStyleInParams, // as Keycloak on CSM is documented
		}
	}
	switch {
	case s.URL == "":
		return c, errors.New("the URL is missing: give the address of BOS without /v1 or /v2, such as http://cray-bos.services.svc.cluster.local or https://api-gw-service-nmn.local/apis/bos")
	case j.OAuthPassThru:
		return c, errors.New("the OAuth identity of users cannot be forwarded, because all users share what is read from BOS: turn off Forward OAuth Identity (oauthPassThru), and give a bearer token or OAuth2 client credentials")
	case c.bearerToken != "" && c.oauth2 != nil:
		return c, errors.New("both a bearer token and OAuth2 credentials are given: remove one of them")
	case (c.bearerToken != "" || c.oauth2 != nil) && s.BasicAuthEnabled:
		return c, errors.New("basic auth is on beside a token: turn one of them off")
	}
	if c.oauth2 != nil {
		var err error
		c.oauth2.TokenURL, err = bosclient.ParseTokenURL(j.OAuth2.TokenURL)
		switch {
		case err != nil:
			return c, err
		case c.oauth2.ClientID == "":
			return c, errors.New("the OAuth2 client id is missing: give the id of the Keycloak client")
		case c.oauth2.ClientSecret == "":
			return c, errors.New("the OAuth2 client secret is missing: give the secret of the Keycloak client")
		}
	}
	return c, nil
}

// transport returns the transport of requests to BOS, with the credentials of the
// settings.
func (c settings) transport(ctx context.Context, s backend.DataSourceInstanceSettings) (rt http.RoundTripper, err error) {
	defer func() {
		// The SDK trusts the types in jsonData.
		if r := recover(); r != nil {
			err = fmt.Errorf("jsonData of the datasource cannot be read: %v", r)
		}
	}()
	options, err := s.HTTPClientOptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("HTTP settings: %w", err)
	}
	if options.TLS != nil && options.TLS.InsecureSkipVerify {
		log.DefaultLogger.FromContext(ctx).Warn("TLS certificates are not verified, so anyone on the network can pose as BOS and read the credentials: give the CA certificate and turn off Skip TLS certificate validation (tlsSkipVerify)", "datasource", s.UID)
	}
	var opened pool
	// The client has a deadline for each request.
	options.Timeouts.Timeout = 0
	options.ConfigureTransport = func(_ httpclient.Options, t *http.Transport) {
		t.MaxResponseHeaderBytes = bosclient.MaxHeaderBytes
		opened.transports = append(opened.transports, t)
	}
	client, err := httpclient.New(options)
	if err != nil {
		return nil, fmt.Errorf("HTTP settings: %w", err)
	}
	switch {
	case c.bearerToken != "":
		token := &oauth2.Token{AccessToken: c.bearerToken}
		opened.RoundTripper = &oauth2.Transport{Source: oauth2.StaticTokenSource(token), Base: client.Transport}
	case c.oauth2 != nil:
		options.Header = nil // those are for BOS
		tokens, err := httpclient.New(options)
		if err != nil {
			return nil, fmt.Errorf("HTTP settings: %w", err)
		}
		opened.RoundTripper = &bosclient.ClientCredentials{
			Config: func() (*clientcredentials.Config, error) { return c.oauth2, nil },
			Tokens: tokens.Transport,
			Next:   client.Transport,
		}
	default:
		opened.RoundTripper = client.Transport
	}
	return opened, nil
}

// pool is a transport that can close its idle connections, which the layers of the
// SDK and of oauth2 cannot.
type pool struct {
	http.RoundTripper
	transports []*http.Transport // that it consists of
}

func (p pool) CloseIdleConnections() {
	for _, t := range p.transports {
		t.CloseIdleConnections()
	}
}
