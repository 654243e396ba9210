package exporter

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bos-exporter/bos-exporter/collectors"
	"github.com/bos-exporter/bos-exporter/internal/bos"
	"github.com/bos-exporter/bos-exporter/internal/bosapi"
	"github.com/bos-exporter/bos-exporter/internal/bosclient"
	"github.com/bos-exporter/bos-exporter/internal/inventory"
)

// Config holds all settings, which the flags of cmd/bos_exporter fill in. The comments
// name those flags because the errors do.
type Config struct {
	URL         string        // --bos.url
	API         string        // --bos.api
	HTTPConfig  string        // --bos.http-config, a file
	Tenant      string        // --bos.tenant
	Interval    time.Duration // --bos.interval
	Timeout     time.Duration // --bos.timeout
	Concurrency int           // --bos.concurrency
	StaleAfter  time.Duration // --bos.stale-after

	// Transport sends requests to BOS. If it is nil, HTTPConfig determines it.
	Transport http.RoundTripper

	MaxAge      time.Duration // --sessions.max-age
	Linger      time.Duration // --sessions.linger
	MaxSessions int           // --sessions.max

	Limits bos.Limits // --stuck.shutdown, --stuck.other, --stuck.abandoned
	// LimitsSet says which of them somebody has set. Where BOS says how long it waits, the
	// others are not used.
	LimitsSet struct{ Shutdown, Other, Abandoned bool }

	Collectors         []collectors.Collector // --[no-]collector.NAME
	ComponentsInterval time.Duration          // --components.interval

	Web           *web.FlagConfig // --web.listen-address, --web.config.file
	TelemetryPath string          // --web.telemetry-path
	Pprof         bool            // --web.enable-pprof

	Demo bool // --demo
}

// DefaultConfig returns the defaults of the flags.
func DefaultConfig() Config {
	return Config{
		API:                bosapi.Auto,
		Interval:           30 * time.Second,
		Timeout:            bosclient.DefaultTimeout,
		Concurrency:        bosclient.DefaultConcurrency,
		StaleAfter:         inventory.DefaultStaleAfter,
		MaxAge:             inventory.DefaultMaxAge,
		Linger:             24 * time.Hour,
		MaxSessions:        1000,
		Limits:             bos.DefaultLimits,
		ComponentsInterval: 5 * time.Minute,
		TelemetryPath:      "/metrics",
	}
}

// APIs lists the choices of --bos.api.
var APIs = bosapi.Choices

// limits returns the limits that somebody has set.
func (c *Config) limits() bos.Limits {
	l := c.Limits
	for _, limit := range []struct {
		set bool
		of  *time.Duration
	}{
		{c.LimitsSet.Shutdown, &l.Shutdown},
		{c.LimitsSet.Other, &l.Other},
		{c.LimitsSet.Abandoned, &l.Abandoned},
	} {
		if !limit.set {
			*limit.of = 0
		}
	}
	return l
}

// check returns the first invalid setting and how to fix it.
func (c *Config) check() error {
	const tick = 10 * time.Millisecond
	for _, d := range []struct {
		flag         string
		value, least time.Duration
	}{
		{"bos.interval", c.Interval, tick},
		{"bos.stale-after", c.StaleAfter, tick},
		{"sessions.max-age", c.MaxAge, 0},
		{"sessions.linger", c.Linger, 0},
		{"stuck.shutdown", c.Limits.Shutdown, bos.MinLimit},
		{"stuck.other", c.Limits.Other, bos.MinLimit},
		{"stuck.abandoned", c.Limits.Abandoned, bos.MinLimit},
		{"components.interval", c.ComponentsInterval, tick},
	} {
		if d.value < d.least {
			return fmt.Errorf("--%s=%s: must be %s or more", d.flag, d.value, d.least)
		}
	}
	switch {
	case c.Demo && c.URL != "":
		return errors.New("--demo watches its own simulated BOS: remove --bos.url or --demo")
	case !c.Demo && strings.TrimSpace(c.URL) == "":
		return errors.New("--bos.url is required: set it to the address of BOS, such as --bos.url=http://cray-bos or --bos.url=https://api-gw-service-nmn.local/apis/bos, or try --demo")
	case c.MaxSessions < 1:
		return fmt.Errorf("--sessions.max=%d: must be 1 or more", c.MaxSessions)
	case c.StaleAfter <= c.Interval:
		return fmt.Errorf("--bos.stale-after=%s must be longer than --bos.interval=%s, or series would disappear between sweeps", c.StaleAfter, c.Interval)
	case !ownPath(c.TelemetryPath):
		return fmt.Errorf("--web.telemetry-path=%q: must be a clean path that no other page uses, such as /metrics", c.TelemetryPath)
	}
	if err := web.Validate(*c.Web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file=%s: %w", *c.Web.WebConfigFile, err)
	}
	return nil
}

// ownPath reports whether the metrics can be served at a path.
func ownPath(p string) bool {
	return strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p &&
		!strings.ContainsAny(p, "{}?#% ") &&
		p != healthyPath && p != readyPath && !strings.HasPrefix(p+"/", pprofPath)
}

// transport returns the transport of requests to BOS, with its credentials, TLS and
// proxy, and whether it skips the verification of TLS certificates.
func (c *Config) transport() (rt http.RoundTripper, insecure bool, err error) {
	var config promconfig.HTTPClientConfig
	if c.HTTPConfig != "" {
		loaded, _, err := promconfig.LoadHTTPConfigFile(c.HTTPConfig)
		if err != nil {
			return nil, false, fmt.Errorf("--bos.http-config=%s: %s", c.HTTPConfig, withoutValues(err))
		}
		config = *loaded
	}
	insecure = config.TLSConfig.InsecureSkipVerify || config.OAuth2 != nil && config.OAuth2.TLSConfig.InsecureSkipVerify
	if rt, err = newTransport(config); err != nil {
		return nil, false, fmt.Errorf("--bos.http-config=%s: %w", c.HTTPConfig, err)
	}
	return rt, insecure, nil
}

// values matches what parsers quote in their errors, which may be secrets.
var values = regexp.MustCompile("`[^`]*`|\"[^\"]*@[^\"]*\"")

func withoutValues(err error) string { return values.ReplaceAllString(err.Error(), "(hidden)") }

func newTransport(config promconfig.HTTPClientConfig) (http.RoundTripper, error) {
	if err := readable(config); err != nil {
		return nil, err
	}
	next, err := newRoundTripper(config)
	if err != nil || config.OAuth2 == nil {
		return next, err
	}
	return newClientCredentials(config.OAuth2, next)
}

// newRoundTripper returns a transport with the TLS, proxy, basic authentication, headers
// and authorization of a configuration. It does what the library's function would, except
// for two things, the second of which that cannot do.
//
// It uses HTTP/1, whatever the configuration says: a connection of HTTP/2 that goes dead
// is used again until a ping fails, which takes more than a minute, and costs every
// request until then its timeout. And it bounds the headers of responses.
func newRoundTripper(config promconfig.HTTPClientConfig) (http.RoundTripper, error) {
	var refs []string
	secret := func(text, file, ref string) promconfig.SecretReader {
		refs = append(refs, ref)
		if file != "" {
			return promconfig.NewFileSecret(file)
		}
		return promconfig.NewInlineSecret(text)
	}
	t := config.TLSConfig
	files := promconfig.TLSRoundTripperSettings{
		CA:   secret(t.CA, t.CAFile, t.CARef),
		Cert: secret(t.Cert, t.CertFile, t.CertRef),
		Key:  secret(string(t.Key), t.KeyFile, t.KeyRef),
	}
	if err := noRefs(refs...); err != nil { // NewTLSConfig would say less
		return nil, err
	}
	tlsConfig, err := promconfig.NewTLSConfig(&config.TLSConfig)
	if err != nil {
		return nil, err
	}
	rt, err := promconfig.NewTLSRoundTripper(tlsConfig, files, func(tlsConfig *tls.Config) (http.RoundTripper, error) {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		return &http.Transport{
			Proxy:                  config.Proxy(),
			ProxyConnectHeader:     config.GetProxyConnectHeader(),
			Protocols:              protocols,
			TLSClientConfig:        tlsConfig,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    100,
			IdleConnTimeout:        5 * time.Minute,
			MaxResponseHeaderBytes: bosclient.MaxHeaderBytes,
		}, nil
	})
	if err != nil {
		return nil, err
	}
	if b := config.BasicAuth; b != nil {
		rt = promconfig.NewBasicAuthRoundTripper(secret(b.Username, b.UsernameFile, b.UsernameRef), secret(string(b.Password), b.PasswordFile, b.PasswordRef), rt)
	}
	if a := config.Authorization; a != nil {
		rt = promconfig.NewAuthorizationCredentialsRoundTripper(a.Type, bearerToken{secret(string(a.Credentials), a.CredentialsFile, a.CredentialsRef)}, rt)
	}
	if config.HTTPHeaders != nil {
		rt = promconfig.NewHeadersRoundTripper(config.HTTPHeaders, rt)
	}
	return rt, noRefs(refs...)
}

// noRefs refuses secrets of a secret manager.
func noRefs(refs ...string) error {
	if ref := cmp.Or(refs...); ref != "" {
		return fmt.Errorf("%q refers to a secret manager, which bos_exporter does not have: name a file instead", ref)
	}
	return nil
}

// bearerToken is a secret that may have been pasted with the word Bearer.
type bearerToken struct{ promconfig.SecretReader }

func (b bearerToken) Fetch(ctx context.Context) (string, error) {
	token, err := b.SecretReader.Fetch(ctx)
	return bosclient.TrimBearer(token), err
}

// newClientCredentials returns a transport that adds the tokens of an OAuth2 client.
// The one of the library requests them without a deadline.
func newClientCredentials(oauth *promconfig.OAuth2, next http.RoundTripper) (http.RoundTripper, error) {
	if oauth.GrantType != "" && oauth.GrantType != "client_credentials" {
		return nil, fmt.Errorf("oauth2: grant_type %q is not supported: use client_credentials", oauth.GrantType)
	}
	if err := noRefs(oauth.ClientSecretRef); err != nil {
		return nil, fmt.Errorf("oauth2: %w", err)
	}
	tokenURL, err := bosclient.ParseTokenURL(oauth.TokenURL)
	if err != nil {
		return nil, err
	}
	tokens, err := newRoundTripper(promconfig.HTTPClientConfig{TLSConfig: oauth.TLSConfig, ProxyConfig: oauth.ProxyConfig})
	if err != nil {
		return nil, fmt.Errorf("oauth2: %w", err)
	}
	return &bosclient.ClientCredentials{
		Config: func() (*clientcredentials.Config, error) {
			secret := string(oauth.ClientSecret)
			if oauth.ClientSecretFile != "" {
				content, err := os.ReadFile(oauth.ClientSecretFile)
				if err != nil {
					return nil, err
				}
				secret = strings.TrimSpace(string(content))
			}
			params := make(url.Values)
			for name, value := range oauth.EndpointParams {
				params.Set(name, value)
			}
			return &clientcredentials.Config{
				ClientID:       oauth.ClientID,
				ClientSecret:   secret,
				TokenURL:       tokenURL,
				Scopes:         oauth.Scopes,
				EndpointParams: params,
				AuthStyle:      oauth2.AuthStyleInParams, // as in the documentation of CSM
			}, nil
		},
		Tokens: tokens,
		Next:   next,
	}, nil
}

// readable checks the files that are read for each request, so that a wrong path is
// reported at startup.
func readable(c promconfig.HTTPClientConfig) error {
	var files []string
	if c.Authorization != nil {
		files = append(files, c.Authorization.CredentialsFile)
	}
	if c.BasicAuth != nil {
		files = append(files, c.BasicAuth.UsernameFile, c.BasicAuth.PasswordFile)
	}
	if c.OAuth2 != nil {
		files = append(files, c.OAuth2.ClientSecretFile, c.OAuth2.TLSConfig.CAFile, c.OAuth2.TLSConfig.CertFile, c.OAuth2.TLSConfig.KeyFile)
	}
	if c.HTTPHeaders != nil {
		for _, h := range c.HTTPHeaders.Headers {
			files = append(files, h.Files...)
		}
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		if _, err := os.ReadFile(file); err != nil {
			return err
		}
	}
	return nil
}
