// Package export_probelet_plugin_hook gives the host the project's hook.
package export_probelet_plugin_hook

import (
	"strings"

	plugin "local/{{name}}"
	"local/{{name}}/build/bindings/wit/types"
)

// Run runs it.
func Run() witTypes.Result[witTypes.Unit, string] {
	if err := plugin.Run(); err != nil {
		return witTypes.Err[witTypes.Unit, string](strings.ToValidUTF8(err.Error(), "\uFFFD"))
	}
	return witTypes.Ok[witTypes.Unit, string](witTypes.Unit{})
}
