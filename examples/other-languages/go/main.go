package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"example.org/secret-audit/secretaudit"
)

func main() {
	ctx := context.Background()
	audit, err := secretaudit.New(ctx, "billing-go", os.Args[1], 5*time.Second)
	if err == nil {
		// After the secret is there, and before anybody gets it.
		err = audit.Record(ctx, "payments-db", "get_credential", "ok", secretaudit.Fields{
			"actor_id": "alice", "actor_type": "user", "worker_id": "w-1", "execution_id": "4611686018427387905",
		})
	}
	if err == nil {
		fmt.Println("recorded ok")
		err = audit.Record(ctx, "payments-db", "get_credential", "residency_violation", secretaudit.Fields{"notes": "ünïcødé 🔑"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "withheld:", err)
		os.Exit(1)
	}
	fmt.Println("recorded residency_violation")
}
