import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `otel-audit gateway`. */
export function addGatewayCommand(program: Command): void {
  program
    .command('gateway')
    .description(
      'Take OTLP over HTTP from any language and collector, and answer 200 only when every audit event is committed.',
    )
    .option(
      '--host <address>',
      'address to listen on (default: $NOETL_SECRET_AUDIT_GATEWAY_HOST, else 127.0.0.1)',
    )
    .option(
      '--port <number>',
      'port to listen on, 0 for a free one (default: $NOETL_SECRET_AUDIT_GATEWAY_PORT, else 4319)',
    )
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database, as a login with the writer role (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .option('--tls-cert <file>', 'certificate chain of the gateway, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option(
      '--tls-client-ca <file>',
      'authorities of client certificates: senders are known by the name in theirs',
    )
    .option('--tokens-file <file>', 'bearer tokens that may send, each under a name: lines name:sha256')
    .option('--oidc-issuer <url>', 'issuer of OpenID Connect tokens that may send')
    .option('--oidc-audience <text>', 'audience that such a token must have')
    .option('--policy-file <file>', 'which services a sender may speak for, JSON: sender → patterns')
    .option(
      '--reject-bad-credentials',
      'answer a credential that does not hold by 401: collectors then drop what they have',
    )
    .addHelpText(
      'after',
      `
Example:
  $ DATABASE_URL=postgres://audit_writer@db.example/app otel-audit gateway
  $ curl http://127.0.0.1:4319/v1/traces -H 'content-type: application/json' --data @spans.json

POST /v1/traces and /v1/logs (protobuf or JSON; gzip, deflate, and zstd where Node has it); GET /livez, /readyz, /healthz and
/metrics. Several run side by side against one database. All options: docs/options.md; senders, answers and collectors:
docs/gateway.md. SIGHUP reads certificate and policy again; it stops on SIGTERM and SIGINT.
Exit code: 0 stopped, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/gateway.js')))
}
