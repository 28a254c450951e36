import { generateKeyPairSync } from 'node:crypto'
import { createAudit, Operation, Outcome } from 'otel-audit'
import { Trail } from 'otel-audit/query'
import type { Client } from 'pg'
import { enrolmentKeyName } from '../../src/chain/chain-key.js'
import { NoteSigner } from '../../src/chain/note-key.js'

/** Rows of a company of some size, over four months: office hours, denials, a burst of them, dormant credentials. */
export const LARGE_TRAIL = 200_000
const DAYS = 120
const ORIGIN = 'otel-audit/company'

const CREDENTIALS = (
  'orders-db orders-api payments-db payments-stripe billing-db billing-sepa wallet-hot-key wallet-cold-key crm-token mail-smtp sms-gateway ldap-bind backup-s3 ' +
  'warehouse-db warehouse-etl ci-registry ci-deploy search-index cache-redis queue-kafka metrics-push status-page vpn-psk dns-api tls-wildcard jwt-signing'
).split(' ')
const SERVICES = ['orders', 'payments', 'billing', 'wallet', 'warehouse', 'ci']
const PEOPLE = ['jane', 'omar', 'li', 'anna', 'pavel', 'noor', 'tom', 'ines', 'kofi', 'ruth', 'sven', 'maya']
const DENIALS = [
  'access_denied',
  'residency_violation',
  'no_pubkey',
  'credential_not_found',
  'provider_fetch_error',
  'throttled',
]

/**
 * Fills a migrated trail with {@link LARGE_TRAIL} rows by SQL, and some hundred that are signed.
 *
 * @param url of a login that may write
 * @returns the trust file: the key that has enrolled the chains, and where they ended
 */
export async function fillLargeTrail(client: Client, url: string): Promise<string> {
  await client.query(
    `select noetl.secret_audit_create_partition(month)
     from noetl.secret_audit_missing_months(date_trunc('month', now() - $1 * interval '1 day')::timestamp, now()::timestamp) month`,
    [DAYS],
  )
  await client.query(
    `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id,
       trace_id, server_region, kek_version, actor_id, actor_type, source_address, service_name, service_instance_id)
     select (((extract(epoch from t) * 1000)::bigint - 1704067200000) << 22) | (n & 4194303), t,
       credential, (array['get_credential', 'get_sealed', 'resolve_keychain'])[1 + n % 3],
       case when n % 61 = 0 then ($4::text[])[1 + n / 61 % cardinality($4::text[])] else 'ok' end,
       'worker-' || n % 17, 700000000 + n / 9, md5((n / 3)::text), (array['eu-central-1', 'us-east-1'])[1 + n % 2], 'v' || 1 + n % 3,
       case when n % 4 = 0 then person || '@example.com' end, case when n % 4 = 0 then 'user' else 'service' end,
       '10.' || n % 4 || '.' || n % 29 || '.' || n % 11, service, service || '-' || n % 3
     from (
       select n, now() - age * interval '1 day' as t,
         ($2::text[])[1 + (n * 7919 % 1009 * case when n % 5 = 0 then 1 else n % 3 end) % least(cardinality($2::text[]), 8 + case when age > 95 then 18 else n % 15 end)] as credential,
         ($3::text[])[1 + n % cardinality($3::text[])] as service,
         ($5::text[])[1 + n / 4 % case when age > 3 then cardinality($5::text[]) - 1 else cardinality($5::text[]) end] as person
       from (
         -- More on some days and at some hours than at others.
         select n, $6::float8 * (n - 0.5) / $1 + 0.3 * sin(n * 0.0013) * sin(n::float8 * 2 * pi() * $6 / $1) + 0.31 as age
         from generate_series(1, $1::int) n
       ) placed
     ) made`,
    [LARGE_TRAIL, CREDENTIALS, SERVICES, DENIALS, PEOPLE, DAYS - 1],
  )
  await client.query('analyze noetl.secret_audit')
  const { privateKey } = generateKeyPairSync('ed25519')
  await record(url, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())
  const { verifierKey } = new NoteSigner(enrolmentKeyName(ORIGIN), privateKey)
  return [`origin ${ORIGIN}`, `enrolment ${verifierKey}`, ...(await heads(client, url)), ''].join('\n')
}

async function heads(client: Client, url: string): Promise<string[]> {
  const { rows } = await client.query<{ chain: string; last: string }>(
    `select replace(chain_id::text, '-', '') as chain, max(block_no)::text as last from noetl.secret_audit_block group by 1`,
  )
  const trail = new Trail({ databaseUrl: url })
  const found = rows.map(async ({ chain, last }) => {
    const block = await trail.block(chain, BigInt(last))
    return `head ${chain} ${last} ${block?.hash}`
  })
  const all = await Promise.all(found)
  await trail.close()
  return all
}

/** Rows of now, signed: a burst of denials, then one that was granted. */
async function record(url: string, enrolmentKey: string): Promise<void> {
  for (const serviceName of SERVICES) {
    const audit = createAudit({ databaseUrl: url, serviceName, origin: ORIGIN, enrolmentKey })
    const tries = serviceName === 'wallet' ? 12 : 0
    const fields = {
      operation: Operation.GetCredential,
      actorType: 'user',
      sourceAddress: '203.0.113.9',
    } as const
    for (let i = 0; i < tries; i++) {
      await audit.service.recordStrict({
        ...fields,
        credential: i % 3 === 0 ? 'wallet-cold-key' : 'wallet-hot-key',
        outcome: Outcome.AccessDenied,
        actorId: 'mallory@example.com',
      })
    }
    for (const credential of CREDENTIALS.slice(0, 8)) {
      await audit.service.recordStrict({
        ...fields,
        credential,
        outcome: Outcome.Ok,
        actorId: serviceName === 'wallet' ? 'mallory@example.com' : 'jane@example.com',
        executionId: 700_000_042n,
      })
    }
    await audit.close()
  }
}
