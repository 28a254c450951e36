import { strict as assert } from 'node:assert'
import { execFileSync, type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../src/event/sha256.js'
import { serverAccount, temporaryDirectory } from '../src/cli/run/embedded/account.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { startPostgres } from '../test/support/postgres/server.js'
import { buildOutsideContainer, type BuiltImage } from './image/build.js'

/**
 * `npm run image:check`: the steps of `deploy/otel-audit.Dockerfile` in directories of this machine, and then what containers
 * of the image do, as its user, who may write nowhere: migrate, serve, gateway, verify, each with its secrets in files.
 */
const DOCKERFILE = 'deploy/otel-audit.Dockerfile'
const TOKEN = 'image-check-token'
const SECRET_MODE = 0o440

const ONE_SPAN = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'image-check' } }] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: '5b8efff798038103d269b633813fc60c',
              spanId: 'eee19b7ec3c1b174',
              name: 'secret_audit get_credential',
              startTimeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
              endTimeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
              events: [
                {
                  name: 'secret.access',
                  timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
                  attributes: [
                    ['credential', 'of-the-image'],
                    ['operation', 'get_credential'],
                    ['outcome', 'ok'],
                  ].map(([key = '', value = '']) => ({
                    key: `secret_audit.${key}`,
                    value: { stringValue: value },
                  })),
                },
              ],
            },
          ],
        },
      ],
    },
  ],
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts what a container would. */
class Container {
  readonly #child: ChildProcess
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  constructor(image: BuiltImage, args: readonly string[], env: Readonly<Record<string, string>>) {
    const [program = '', ...entrypoint] = image.command.slice(0, -1)
    const [uid, gid] = (image.user ?? '').split(':').map(Number)
    this.#child = spawn(program, [...entrypoint, ...args], {
      cwd: join(image.root, 'app'),
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', TMPDIR: '/nonexistent', ...image.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Anybody else cannot become another user, and checks the same as himself.
      ...(process.getuid?.() === 0 && { uid, gid }),
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.ended = once(this.#child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  /** Where it listens. */
  async url(): Promise<string> {
    for (;;) {
      const [line] = /^https?:\S+/m.exec(this.stdout) ?? []
      if (line !== undefined) return line
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM')
    return await this.ended
  }
}

/** With its body read: else the connection keeps this process alive for minutes. */
async function statusOf(url: string): Promise<number> {
  const answer = await fetch(url)
  await answer.arrayBuffer()
  return answer.status
}

let passed = 0
async function check(what: string, work: () => Promise<void>): Promise<void> {
  await work()
  passed++
  console.log(`ok    ${what}`)
}

const directory = mkdtempSync(join(temporaryDirectory(serverAccount()), 'otel-audit-image-'))
chmodSync(directory, 0o755)
const postgres = await startPostgres()
try {
  const image = buildOutsideContainer(packageRoot(), DOCKERFILE, directory)
  await inContainers(image)
  const size = execFileSync('du', ['-sk', join(image.root, 'app')], { encoding: 'utf8' }).split('\t')[0]
  console.log(
    `${passed} passed, 0 failed; what the image adds to its base: ${Math.round(Number(size) / 1024)} MiB`,
  )
} finally {
  await postgres.close()
  rmSync(directory, { recursive: true })
}

async function inContainers(image: BuiltImage): Promise<void> {
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    new Container(image, args, env).ended
  const [, group = 0] = (image.user ?? '').split(':').map(Number)
  const secrets = join(directory, 'secrets')
  mkdirSync(secrets)
  /** As an orchestrator mounts it: of root, and of the group of the container. */
  const secret = (name: string, text: string): string => {
    const path = join(secrets, name)
    writeFileSync(path, text, { mode: SECRET_MODE })
    if (process.getuid?.() === 0) chownSync(path, 0, group)
    return path
  }

  await check('by default it shows its commands, as a user who is not root', async () => {
    assert.match(image.user ?? '', /^[1-9]\d*:[1-9]\d*$/)
    const shown = await run(image.command.slice(-1))
    assert.equal(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /Usage: otel-audit/)
  })
  await check('it is the version of this package', async () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
      version: string
    }
    assert.equal((await run(['--version'])).stdout.trim(), version)
  })
  await check('migrate --roles, with the owner’s URL in a file', async () => {
    const owner = secret('owner', `${postgres.url()}\n`)
    const { code, stdout, stderr } = await run(['migrate', '--roles'], { DATABASE_URL_FILE: owner })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /roles {7}noetl_audit_writer, noetl_audit_reader/)
    await postgres.query(`create role serve login in role noetl_audit_writer, noetl_audit_reader;
      create role gateway login in role noetl_audit_writer; create role verifier login in role noetl_audit_reader`)
  })
  await check('gateway: alive and ready, and an event in OTLP/JSON is a row', async () => {
    const env = {
      DATABASE_URL_FILE: secret('gateway', postgres.url('postgres', 'gateway')),
      NOETL_SECRET_AUDIT_GATEWAY_HOST: '0.0.0.0',
      NOETL_SECRET_AUDIT_GATEWAY_PORT: '0',
      NOETL_SECRET_AUDIT_GATEWAY_TOKENS_FILE: secret(
        'senders',
        `collector:${sha256(TOKEN).toString('hex')}\n`,
      ),
    }
    const gateway = new Container(image, ['gateway'], env)
    const url = (await gateway.url()).replace('0.0.0.0', '127.0.0.1')
    for (const probe of ['/livez', '/readyz']) assert.equal(await statusOf(url + probe), 200, probe)
    assert.equal(await statusOf(`${url}/metrics`), 200)
    const answer = await fetch(`${url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify(ONE_SPAN),
    })
    await answer.arrayBuffer()
    assert.equal(answer.status, 200)
    const { code, stderr } = await gateway.stop()
    assert.deepEqual([code, stderr], [0, ''])
  })
  await check('serve: alive and ready, and reads for who has the token in the file', async () => {
    const env = {
      DATABASE_URL_FILE: secret('serve', postgres.url('postgres', 'serve')),
      NOETL_SECRET_AUDIT_HOST: '0.0.0.0',
      NOETL_SECRET_AUDIT_PORT: '0',
      NOETL_INTERNAL_API_TOKEN_FILE: secret('token', `${TOKEN}\n`),
      NOETL_SECRET_AUDIT_CURSOR_KEY_FILE: secret('cursor', 'one of all replicas\n'),
    }
    const server = new Container(image, ['serve'], env)
    const url = (await server.url()).replace('0.0.0.0', '127.0.0.1')
    for (const probe of ['/healthz', '/readyz', '/metrics', '/'])
      assert.equal(await statusOf(url + probe), 200, probe)
    const path = `${url}/api/internal/secret-audit?credential=of-the-image`
    assert.equal(await statusOf(path), 401)
    const answer = await fetch(path, { headers: { authorization: `Bearer ${TOKEN}` } })
    const { rows } = (await answer.json()) as { rows: readonly object[] }
    assert.equal(rows.length, 1)
    const { code, stderr } = await server.stop()
    assert.deepEqual([code, stderr.includes(TOKEN)], [0, false], stderr)
  })
  await check('verify, as the reader, against a trust file that trust init begins', async () => {
    const env = {
      NOETL_SECRET_AUDIT_READER_URL_FILE: secret('verifier', postgres.url('postgres', 'verifier')),
    }
    const begun = await run(['trust', 'init', '--out', '-'], env)
    assert.equal(begun.code, 0, begun.stderr)
    const verified = await run(
      ['verify', '--trust', secret('audit.trust', begun.stdout), '--format', 'table'],
      env,
    )
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  })
}
