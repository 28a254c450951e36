import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { freePort } from '../test/support/postgres/cluster.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { Daemon, Leash } from './gateway/daemon.js'
import { built, type Command, LANGUAGES, missing } from './languages/toolchains.js'
import { Stage } from './stage.js'

const HELP = `The examples in other languages against a real gateway and Postgres.

  npm run languages:check [-- <language> …]

Python (python3 with venv, PyPI), Go (the Go module proxy) and Java (Maven, Maven Central): what is not there is said. What they
need is installed once into build/. The exit code is 1 when an example failed, 2 when a language was not to be had.`

/** An example that hangs: its time-outs are 5 s. */
const PATIENCE_MS = 40_000

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function example({ file, args }: Command, url: string): Promise<Run> {
  return new Promise((resolve) => {
    execFile(file, [...args, url], { timeout: PATIENCE_MS }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}

/** The rows that an example leaves, and what is not to be in them. */
const EXPECTED = [
  {
    credential: 'payments-db',
    operation: 'get_credential',
    outcome: 'ok',
    actor_id: 'alice',
    actor_type: 'user',
    worker_id: 'w-1',
    execution_id: '4611686018427387905',
    notes: null,
    sender: 'anonymous',
    truncated: null,
  },
  {
    credential: 'payments-db',
    operation: 'get_credential',
    outcome: 'residency_violation',
    actor_id: null,
    actor_type: null,
    worker_id: null,
    execution_id: null,
    notes: 'ünïcødé 🔑',
    sender: 'anonymous',
    truncated: null,
  },
]

const ROWS = (service: string) => `
  select credential, operation, outcome, actor_id, actor_type, worker_id, execution_id::text, notes,
    attributes::json->>'gateway.sender' as sender, attributes::json->>'gateway.truncated' as truncated
  from noetl.secret_audit where service_name = '${service}' order by audit_id`

/** @returns what is wrong */
async function faults(name: string, command: Command, stage: Stage, gatewayUrl: string): Promise<string[]> {
  const recorded = await example(command, gatewayUrl)
  const { rows } = await stage.query(ROWS(`billing-${name}`))
  const wrong: string[] = []
  if (recorded.code !== 0) wrong.push(`it ended with ${recorded.code}: ${recorded.stderr.slice(-1000)}`)
  if (recorded.stdout !== 'recorded ok\nrecorded residency_violation\n')
    wrong.push(`it said ${recorded.stdout}`)
  if (!isDeepStrictEqual(rows, EXPECTED)) wrong.push(`its rows are ${JSON.stringify(rows)}`)
  // What answers 503 to everything, as a gateway does whose Postgres is away.
  const away = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(503, { 'retry-after': '1' }).end())
  })
  away.listen(0, '127.0.0.1')
  await once(away, 'listening')
  const withheld = await example(command, `http://127.0.0.1:${(away.address() as AddressInfo).port}`)
  away.close()
  away.closeAllConnections()
  if (withheld.code !== 1 || !/^withheld: /m.test(withheld.stderr) || withheld.stdout !== '') {
    wrong.push(`without a commit it ended with ${withheld.code}: ${withheld.stdout}${withheld.stderr}`)
  }
  return wrong
}

async function main(only: readonly string[]): Promise<void> {
  const stage = await Stage.set()
  const leash = new Leash()
  try {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const gateway = new Daemon(
      {
        name: 'the gateway',
        file: process.execPath,
        args: [join(packageRoot(), 'dist', 'cli', 'main.js'), 'gateway', '--port', String(port)],
        env: {
          DATABASE_URL: stage.writerUrl,
          NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: stage.enrolmentKeyFile,
        },
        logFile: join(stage.directory, 'log-gateway'),
        health: `${url}/livez`,
      },
      leash,
    )
    await gateway.start()
    for (const language of LANGUAGES) {
      const { name } = language
      if (only.length > 0 && !only.includes(name)) continue
      const lacks = await missing(language)
      if (lacks !== undefined) {
        console.log(`not checked: ${name}: ${lacks} is not there`)
        process.exitCode ??= 2
        continue
      }
      const wrong = await built(language).then(
        (command) => faults(name, command, stage, url),
        (error: unknown) => [String(error)],
      )
      say(name, 'two rows as sent; without a commit the secret is withheld', wrong)
    }
    await gateway.endInOrder()
    say('verify', 'the trail is complete', [...(await stage.verify())])
  } finally {
    await leash.close()
    await stage.close()
  }
}

function say(name: string, promise: string, wrong: readonly string[]): void {
  console.log(`${wrong.length === 0 ? 'ok  ' : 'FAIL'}  ${name}: ${promise}`)
  for (const fault of wrong) console.log(`      ${fault}`)
  if (wrong.length > 0) process.exitCode = 1
}

const args = process.argv.slice(2)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
if (args.includes('--help')) console.log(HELP)
else {
  main(args).catch((error: unknown) => {
    console.error(`languages:check: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  })
}
