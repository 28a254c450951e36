import sys

from secret_audit import NotRecorded, SecretAudit


def main():
    audit = SecretAudit("billing-python", sys.argv[1])
    try:
        # After the secret is there, and before anybody gets it.
        audit.record(
            "payments-db", "get_credential", "ok",
            actor_id="alice", actor_type="user", worker_id="w-1", execution_id=4611686018427387905,
        )
        print("recorded ok")
        audit.record("payments-db", "get_credential", "residency_violation", notes="ünïcødé 🔑")
        print("recorded residency_violation")
    except NotRecorded as error:
        sys.exit(f"withheld: {error}")


main()
