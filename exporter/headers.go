package exporter

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// securityHeaders tell browsers to trust nothing but the landing page's own style
// sheet, and other sites to keep out. The content security policy names the style
// sheet by its hash, since it is part of the page.
var securityHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src '" + hashSource(landingCSS) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"Referrer-Policy":         "no-referrer",
	"X-Content-Type-Options":  "nosniff",
	"X-Frame-Options":         "DENY", // for browsers without frame-ancestors
}

// hashSource returns the expression by which a content security policy allows text
// within a page.
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// withSecurityHeaders adds the security headers to every response of a handler.
// Headers that are already set stay: --web.config.file can set its own.
func withSecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range securityHeaders {
			if w.Header().Get(name) == "" {
				w.Header().Set(name, value)
			}
		}
		next.ServeHTTP(w, r)
	})
}
