package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/fairwayhq/fairway/gateway"
)

// FormError words what a multipart reader found; errors of our own pass.
func FormError(err error) error {
	if _, ours := gateway.AsError(err); ours {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return gateway.Errorf(http.StatusBadRequest, "the multipart body ended before its closing boundary")
	}
	return gateway.Errorf(http.StatusBadRequest, "the body is no multipart form: %s", err.Error())
}
