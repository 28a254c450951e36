import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addReadFlags } from './read-flags.js'

/** Adds `otel-audit serve`. */
export function addServeCommand(program: Command): void {
  addReadFlags(
    program.command('serve').description('Serve the trail over HTTP: the query routes, health and metrics.'),
    { canBeUnrecorded: false },
  )
    .option('--host <address>', 'address to listen on (default: $NOETL_SECRET_AUDIT_HOST, else 127.0.0.1)')
    .option(
      '--port <number>',
      'port to listen on, 0 for a free one (default: $NOETL_SECRET_AUDIT_PORT, else 8484)',
    )
    .option('--trust <file>', 'the trust file, as for `otel-audit verify`: rows are checked against it')
    .option(
      '--verify-every <time>',
      'verify the trail so often (1h), in a thread of its own: what comes of it is in /metrics (default: $NOETL_SECRET_AUDIT_VERIFY_EVERY, else not)',
    )
    .option(
      '--state <file>',
      'with --verify-every: go on from this file, as otel-audit verify --state does (default: $NOETL_SECRET_AUDIT_VERIFY_STATE)',
    )
    .option(
      '--verifier-key <file>',
      'with --state: the key that signs it, PKCS#8 in PEM (default: $NOETL_SECRET_AUDIT_VERIFIER_KEY_FILE)',
    )
    .option(
      '--full-every <time>',
      'with --state: within this time everything is read again (default: $NOETL_SECRET_AUDIT_VERIFY_FULL_EVERY, else 30d)',
    )
    .addHelpText(
      'after',
      `
Example:
  $ export DATABASE_URL=postgres://audit_server@db.example/app NOETL_INTERNAL_API_TOKEN=$(openssl rand -hex 32)
  $ otel-audit serve
  $ curl -H "Authorization: Bearer $NOETL_INTERNAL_API_TOKEN" \\
      'http://127.0.0.1:8484/api/internal/secret-audit?outcome=not-ok&from=-24h'

Its login needs the reader role, and the writer role for the rows about reads. Without a token or OpenID Connect
(see docs/options.md) every read is denied, and it listens on loopback only. It stops on SIGTERM and SIGINT.
Exit code: 0 stopped, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/serve.js')))
}
