// Package plugin tells a server, by a line, that the container has started or is to stop, and waits for its answer.
package plugin

import (
	"errors"

	"local/{{name}}/probelet"
)

// Run is the hook.
func Run() error {
	var config struct {
		Port int
		Send string
	}
	if err := probelet.Config(&config); err != nil {
		return err
	} else if config.Port == 0 {
		return errors.New("the configuration lacks the `port`, such as 6379")
	}
	_, err := probelet.Ask(probelet.PodAddress(), config.Port, config.Send)
	return err
}
