package condaweb

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/fairwayhq/fairway/gateway"
	"github.com/fairwayhq/fairway/web"
)

// withCaller runs fn for a request's caller and answers its result as JSON.
func (s *Surface) withCaller(w http.ResponseWriter, r *http.Request, fn func(*gateway.Caller) (status int, answer any, err error)) {
	c, err := s.env.Changer(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	status, answer, err := fn(c)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.env.Served("conda", "managed")
	web.WriteJSON(w, status, answer)
}

// revision is the answer of a change: the catalog revision at which it is visible.
type revision struct {
	Revision int64 `json:"revision"`
}

func (s *Surface) delete(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		rev, err := s.env.Gateway.DeletePackage(r.Context(), c, p["channel"], p["subdir"], p["file"])
		return http.StatusOK, revision{rev}, err
	})
}

func (s *Surface) yank(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		var in struct {
			Reason string `json:"reason"`
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		rev, err := s.env.Gateway.YankPackage(r.Context(), c, p["channel"], p["subdir"], p["file"], in.Reason)
		return http.StatusOK, revision{rev}, err
	})
}

func (s *Surface) unyank(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		rev, err := s.env.Gateway.UnyankPackage(r.Context(), c, p["channel"], p["subdir"], p["file"])
		return http.StatusOK, revision{rev}, err
	})
}

func (s *Surface) reindex(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		report, err := s.env.Gateway.Reindex(r.Context(), c, p["channel"], p["subdir"])
		return http.StatusOK, report, err
	})
}

func (s *Surface) setPatch(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		// Who may not patch is told so before the instructions are read.
		if err := s.env.Gateway.MayPatch(c, p["channel"], p["subdir"]); err != nil {
			return 0, nil, err
		}
		body := http.MaxBytesReader(w, io.NopCloser(web.IdleBody(w, r, s.opts.BodyIdle)), s.opts.MaxPatch)
		raw, err := io.ReadAll(body)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return 0, nil, gateway.Errorf(http.StatusRequestEntityTooLarge, "the patch instructions have more than %d bytes", s.opts.MaxPatch)
		} else if err != nil {
			return 0, nil, err
		}
		if len(raw) == 0 {
			return 0, nil, gateway.Errorf(http.StatusBadRequest, "the body is empty: a patch_instructions.json is expected")
		}
		rev, err := s.env.Gateway.SetPatch(r.Context(), c, p["channel"], p["subdir"], raw)
		return http.StatusOK, revision{rev}, err
	})
}

func (s *Surface) removePatch(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		rev, err := s.env.Gateway.SetPatch(r.Context(), c, p["channel"], p["subdir"], nil)
		return http.StatusOK, revision{rev}, err
	})
}

// channelDoc is a channel as the API tells it.
type channelDoc struct {
	Name        string          `json:"name"`
	Visibility  string          `json:"visibility"`
	Project     string          `json:"project,omitempty"`
	Description string          `json:"description,omitempty"`
	Notices     json.RawMessage `json:"notices,omitempty"`
	CreatedAt   string          `json:"created_at"`
	UpdatedAt   string          `json:"updated_at"`
}

func (s *Surface) doc(ch *gateway.Channel) channelDoc {
	return channelDoc{
		Name: ch.Name, Visibility: ch.Visibility, Project: s.env.Gateway.ProjectName(ch.ProjectID),
		Description: ch.Description, Notices: ch.Notices,
		CreatedAt: web.Time(ch.CreatedAt), UpdatedAt: web.Time(ch.UpdatedAt),
	}
}

func (s *Surface) listChannels(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		all, err := s.env.Gateway.Channels(c)
		out := make([]channelDoc, 0, len(all))
		for _, ch := range all {
			out = append(out, s.doc(ch))
		}
		return http.StatusOK, out, err
	})
}

func (s *Surface) createChannel(w http.ResponseWriter, r *http.Request, _ web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		var in struct {
			Name string `json:"name"`
			gateway.ChannelSettings
		}
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		ch, err := s.env.Gateway.CreateChannel(r.Context(), c, in.Name, in.ChannelSettings)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, s.doc(ch), nil
	})
}

func (s *Surface) getChannel(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		ch, err := s.env.Gateway.Channel(c, p["channel"])
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, s.doc(ch), nil
	})
}

func (s *Surface) updateChannel(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		var in gateway.ChannelSettings
		if err := web.ReadJSON(w, r, &in); err != nil {
			return 0, nil, err
		}
		ch, err := s.env.Gateway.SetChannel(r.Context(), c, p["channel"], in)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, s.doc(ch), nil
	})
}

func (s *Surface) deleteChannel(w http.ResponseWriter, r *http.Request, p web.Params) {
	s.withCaller(w, r, func(c *gateway.Caller) (int, any, error) {
		force, err := forced(r)
		if err == nil {
			err = s.env.Gateway.DeleteChannel(r.Context(), c, p["channel"], force)
		}
		return http.StatusOK, struct {
			Deleted string `json:"deleted"`
		}{p["channel"]}, err
	})
}
