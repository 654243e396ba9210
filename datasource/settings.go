package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bos-exporter/bos-exporter/internal/bosclient"
)

// settings are those of an instance, beside what the SDK reads itself: TLS, basic
// auth, headers and proxy.
type settings struct {
	uid     string // of the instance, for links
	url     string
	tenant  string
	timeout time.Duration // of a request to BOS
	cache   time.Duration // how old an answer may be
	maxRows int

	bearerToken string
	oauth2      *clientcredentials.Config
}

const (
	defaultCache   = 10 * time.Second
	defaultMaxRows = 5000
)

// number is a JSON number, or one in a string as provisioning from environment
// variables has it.
type number struct {
	set   bool
	value int
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
		n.set, n.value = true, int(v)
		return nil
	case string:
		if v == "" {
			return nil
		}
		i, err := strconv.Atoi(v)
		n.set, n.value = true, i
		return err
	default:
		return fmt.Errorf("%s is not a number", b)
	}
}

// parseSettings reads the settings of an instance. Errors are for the person who
// configures it.
func parseSettings(s backend.DataSourceInstanceSettings) (settings, error) {
	var j struct {
		API          string `json:"api"`
		Tenant       string `json:"tenant"`
		CacheSeconds number `json:"cacheSeconds"`
		MaxRows      number `json:"maxRows"`
		Timeout      number `json:"timeout"`
		OAuth2       struct {
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
		uid: s.UID, url: s.URL, tenant: j.Tenant,
		timeout: bosclient.DefaultTimeout, cache: defaultCache, maxRows: defaultMaxRows,
		bearerToken: bosclient.TrimBearer(s.DecryptedSecureJSONData["bearerToken"]),
	}
	if j.Timeout.set && j.Timeout.value > 0 {
		c.timeout = time.Duration(j.Timeout.value) * time.Second
	}
	if j.CacheSeconds.set {
		c.cache = time.Duration(j.CacheSeconds.value) * time.Second
	}
	if j.MaxRows.set {
		c.maxRows = j.MaxRows.value
	}
	if j.OAuth2.TokenURL != "" || j.OAuth2.ClientID != "" {
		c.oauth2 = &clientcredentials.Config{
			ClientID:     j.OAuth2.ClientID,
			ClientSecret: s.DecryptedSecureJSONData["oauth2ClientSecret"],
			TokenURL:     strings.TrimSpace(j.OAuth2.TokenURL),
			Scopes:       j.OAuth2.Scopes,
			AuthStyle:    oauth2.AuthStyleInParams, // as Keycloak on CSM is documented
		}
	}
	switch {
	case s.URL == "":
		return c, errors.New("the URL is missing: give the address of BOS above /v1, such as http://cray-bos.services.svc.cluster.local or https://api-gw-service-nmn.local/apis/bos")
	case j.API != "" && j.API != "auto" && j.API != "v1":
		return c, fmt.Errorf("the API version %q is not known: choose auto or v1", j.API)
	case c.cache < 0:
		return c, fmt.Errorf("cacheSeconds is %d: it must not be below 0", j.CacheSeconds.value)
	case c.maxRows < 1:
		return c, fmt.Errorf("maxRows is %d: it must be 1 or more", c.maxRows)
	case c.bearerToken != "" && c.oauth2 != nil:
		return c, errors.New("there are a bearer token and OAuth2 credentials: remove one of them")
	case (c.bearerToken != "" || c.oauth2 != nil) && s.BasicAuthEnabled:
		return c, errors.New("basic auth is on beside a token: turn one of them off")
	}
	if c.oauth2 != nil {
		u, err := url.Parse(c.oauth2.TokenURL)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return c, errors.New("the OAuth2 token URL must begin with http:// or https:// and a host, such as https://api-gw-service-nmn.local/keycloak/realms/shasta/protocol/openid-connect/token")
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
	options.ConfigureTransport = func(_ httpclient.Options, t *http.Transport) { opened.transports = append(opened.transports, t) }
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
