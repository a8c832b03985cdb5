// Package plugin asks a server that answers by lines, and is content if the answer begins as it should.
package plugin

import (
	"errors"
	"strings"

	"local/{{name}}/probelet"
)

// Check is the probe.
func Check() (verdict probelet.Verdict, err error) {
	var config struct {
		Port         int
		Send, Expect string
	}
	if err := probelet.Config(&config); err != nil {
		return verdict, err
	} else if config.Port == 0 {
		return verdict, errors.New("the configuration lacks the `port`, such as 6379")
	}
	answer, err := probelet.Ask(probelet.PodAddress(), config.Port, config.Send)
	if err != nil {
		return probelet.Failed(err)
	} else if !strings.HasPrefix(answer, config.Expect) {
		return probelet.Unhealthy("it answered `%s`", answer), nil
	}
	return probelet.Healthy("it answers").With("answer", answer), nil
}
