//go:build minimal

// Stands in place of Vault's own commands_min.go: a minimal Vault keeps its data in memory or with Raft only, and most
// values for one server name storage "file".
package command

import (
	_ "github.com/hashicorp/vault/helper/builtinplugins"
	"github.com/hashicorp/vault/sdk/physical/file"
)

func extendAddonHandlers(handlers *vaultHandlers) {
	handlers.physicalBackends["file"] = file.NewFileBackend
}
