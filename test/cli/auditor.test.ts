import { execFile } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../spool/directories.js'
import { connect } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { allSettled } from '../support/settled.js'
import { TrailServer } from '../support/trail-server.js'
import { auditorTrail, EXECUTION, ORIGIN } from './auditor-trail.js'

const run = promisify(execFile)
const PAGE = readFileSync(join(packageRoot(), 'docs/auditor.md'), 'utf8')

let server: TrailServer
let url: string
let trust: string
let enrolmentKey: string

beforeAll(async () => {
  // Of its own: elsewhere transactions of other tests keep rows from being settled.
  server = await TrailServer.start()
  url = await server.trail()
  ;({ trust, enrolmentKey } = await auditorTrail(url))
})

beforeEach(async () => {
  const client = await connect(url)
  await allSettled(client)
  await client.end()
})

afterAll(() => server.close())

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly directory: string
}

/** Runs shell commands as they stand, in a directory of their own that has the trust file. */
async function shell(command: string, directory = temporaryDirectory()): Promise<Ran> {
  const program = join(directory, 'otel-audit')
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(packageRoot(), 'dist/cli/main.js')}' "$@"\n`,
  )
  chmodSync(program, 0o700)
  const trustFile = join(directory, 'audit.trust')
  if (!existsSync(trustFile)) writeFileSync(trustFile, trust)
  const env = {
    PATH: `${directory}:${process.env['PATH']}`,
    DATABASE_URL: url,
    NOETL_SECRET_AUDIT_ORIGIN: ORIGIN,
    NOETL_SECRET_AUDIT_ENROLMENT_KEY: enrolmentKey,
    TZ: 'America/New_York',
  }
  try {
    return { code: 0, ...(await run('sh', ['-e', '-c', command], { cwd: directory, env })), directory }
  } catch (error) {
    return { ...(error as Omit<Ran, 'directory'>), directory }
  }
}

/** The commands below a heading of the page, each line by itself. */
function commands(heading: string): string[] {
  const section = PAGE.split(/^#{2,3} /m).find((text) => text.startsWith(heading)) ?? ''
  return [...section.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, code = '']) => code.trimEnd().split('\n'))
}

const rowsOf = ({ stdout, stderr, code }: Ran): Record<string, unknown>[] => {
  expect({ code, stderr: stderr.replaceAll('reading …\n', '') }).toEqual({ code: 0, stderr: '' })
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

const ask = async (heading: string): Promise<Record<string, unknown>[][]> => {
  const answers: Record<string, unknown>[][] = []
  for (const command of commands(heading)) answers.push(rowsOf(await shell(command)))
  return answers
}

describe('the ten questions, as the page asks them', () => {
  test('1. who could have seen this secret since the leak', async () => {
    const [groups = [], rows = []] = await ask('1.')
    expect(new Map(groups.map(({ value, accesses }) => [value, accesses]))).toEqual(
      new Map([
        ['ghost', 1],
        ['jane', 1],
        ['joe', 1],
        [null, 1],
      ]),
    )
    expect(rows.map(({ actor_id, worker_id }) => actor_id ?? worker_id)).toEqual([
      'batch-1',
      'ghost',
      'joe',
      'jane',
    ])
  })

  test('2. when a person accessed anything for the first time', async () => {
    const [rows = []] = await ask('2.')
    expect(rows.map(({ credential, occurred_at }) => [credential, String(occurred_at).slice(0, 10)])).toEqual(
      [
        ['orders-db', '2026-04-02'],
        ['billing-db', '2026-07-08'],
      ],
    )
  })

  test('3. what an execution touched', async () => {
    const [rows = []] = await ask('3.')
    expect(rows.map(({ credential, execution_id }) => [credential, execution_id])).toEqual([
      ['billing-db', String(EXECUTION)],
      ['orders-db', String(EXECUTION)],
    ])
  })

  test('4. who was denied, and let in shortly after', async () => {
    const [rows = []] = await ask('4.')
    expect(rows).toMatchObject([
      { credential: 'billing-db', value: 'mallory', denied_outcome: 'access_denied' },
    ])
  })

  test('5. which credentials nobody uses any more', async () => {
    const [rows = []] = await ask('5.')
    expect(rows[0]).toMatchObject({ credential: 'legacy-ftp', actor_id: 'joe' })
  })

  test('6. which accesses were outside of office hours', async () => {
    const [rows = []] = await ask('6.')
    const accesses = rows.filter(({ operation }) => operation === 'get_credential')
    expect(accesses.map(({ actor_id, worker_id }) => actor_id ?? worker_id)).toEqual(['batch-1', 'joe'])
  })

  test('7. which were recorded by a process that is not ours', async () => {
    const [rows = [], chains = []] = await ask('7.')
    expect(rows.map(({ service_name, actor_id }) => [service_name, actor_id])).toEqual([['shadow', 'ghost']])
    expect(chains.find(({ service_name }) => service_name === 'shadow')).toMatchObject({
      chains: 1,
      not_enrolled: 1,
    })
    expect(chains.find(({ service_name }) => service_name === 'wallet')).toMatchObject({
      not_enrolled: 0,
      rows: 12,
    })
  })

  test('8. who has which access', async () => {
    const [command = ''] = commands('8.')
    const { code, stdout, directory } = await shell(command)
    expect(code, 'the chain of a stranger is a finding').toBe(1)
    expect(stdout).toContain('2026Q3: 8 accesses, 2 denied or failed')
    expect(stdout).toContain('findings: 1 chain-unenrolled')
    const made = join(directory, 'access-review-2026Q3')
    expect(readdirSync(made).sort()).toEqual(['manifest.json', 'review.csv', 'review.html'])
    const manifest = JSON.parse(readFileSync(join(made, 'manifest.json'), 'utf8')) as {
      totals: object
      coverage: object[]
      files: { name: string; sha256: string }[]
    }
    expect(manifest.totals).toMatchObject({
      accesses: 8,
      denied: 2,
      lost: 132,
      credentials: { accessed: 2, first_seen: 1, dormant: 1 },
    })
    expect(manifest.coverage).toMatchObject([{ service_name: 'wallet', state: 'not_hooked', processes: 1 }])
    for (const { name, sha256 } of manifest.files) {
      expect(
        createHash('sha256')
          .update(readFileSync(join(made, name)))
          .digest('hex'),
      ).toBe(sha256)
      expect(statSync(join(made, name)).mode & 0o777).toBe(0o600)
    }
    expect(readFileSync(join(made, 'review.csv'), 'utf8')).toContain(
      'legacy-ftp,joe,actor,dormant,dormant,0,0,,,2026-03-23',
    )
    const again = await shell(command, directory)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') })
    const [row] = await recorded(`attributes ->> 'what' = 'review'`)
    expect(row).toMatchObject({ operation: 'query_trail', outcome: 'ok' })
    expect(stdout).toContain(String((row?.['attributes'] as { sha256?: string } | undefined)?.sha256))
  })

  test('9. what was not covered', async () => {
    const [clients = [], gaps = []] = await ask('9.')
    expect(clients).toMatchObject([{ service_name: 'wallet', client: 'node-vault', state: 'not_hooked' }])
    expect(gaps.map(({ attributes }) => attributes)).toMatchObject([{ count: 132, reason: 'queue_full' }])
  })

  test('10. how to prove one access to a court', async () => {
    const [make = '', check = ''] = commands('10.')
    const made = await shell(make)
    // The stranger's chain is in the trail, and not in the bundle.
    expect(made).toMatchObject({ code: 1, stdout: expect.stringContaining('2 rows') })
    expect(await shell(check, made.directory)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"findings": []'),
    })
    const rows = await recorded(`attributes ->> 'what' = 'evidence'`)
    expect(rows.map(({ operation, outcome }) => `${String(operation)} ${String(outcome)}`)).toEqual([
      'export_trail started',
      'export_trail ok',
    ])
  })
})

async function recorded(where: string): Promise<Record<string, unknown>[]> {
  const client = await connect(url)
  const { rows } = await client.query<Record<string, unknown>>(
    `select * from noetl.secret_audit where ${where} order by audit_id`,
  )
  await client.end()
  return rows
}

describe('a bundle', () => {
  test('is signed with a key of its own, and checked without a database', async () => {
    const { directory, code, stderr } = await shell(
      commands('Evidence of an incident').join('\n').replace('2026-11-01', '2026-07-01'),
    )
    expect({ code, stderr }).toMatchObject({ code: 1 })
    const table = await shell(
      'otel-audit evidence --check INC-2291 --trust audit.trust --format table --database-url postgres://nobody@127.0.0.1:1/x',
      directory,
    )
    expect(table.stdout).toMatch(/^signed +by otel-audit\/wallet\/evidence$/m)
    // The row of the process that nobody enrolled cannot be proven to be the operator's.
    expect(table.stdout).toMatch(/^bundle-proof: line \d+ of proofs\.ndjson, row \d+: the genesis block/m)
    expect(table.code).toBe(1)
    const nothing = await shell('otel-audit evidence --check . --trust audit.trust', directory)
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('AUDIT_EVIDENCE_MALFORMED') })
    // As a proof by itself.
    const [line = ''] = readFileSync(join(directory, 'INC-2291/proofs.ndjson'), 'utf8').split('\n')
    writeFileSync(join(directory, 'row.json'), line)
    expect((await shell('otel-audit verify --proof row.json', directory)).stdout).toContain('proven')
    // Against the trail.
    const held = await shell(
      'otel-audit verify --manifest INC-2291/rows.ndjson.manifest.json --anchors INC-2291/notes.txt',
      directory,
    )
    expect(held).toMatchObject({ code: 0 })
  })

  test.each([
    ['--check x --incident y', '--check goes with'],
    ['--credential x --out y', '--incident NAME is required'],
    ['--incident x --credential y', '--out DIRECTORY is required'],
    ['--incident x --out y', 'a filter is required'],
    ['--incident x --out y --credential z --key nowhere --origin a', 'cannot be read'],
    ['--incident x --out y --credential z --key audit.trust --origin a', 'PKCS#8'],
    ['--incident x --out y --credential z --key audit.trust --origin "a b"', '--key needs the log'],
    ['--incident x --out . --credential z', 'exists already'],
  ])('is not made with %s', async (flags, said) => {
    const { code, stderr } = await shell(`otel-audit evidence ${flags}`)
    expect(stderr).toContain(said)
    expect(code).toBeGreaterThan(0)
  })
})

describe('an export for a SIEM', () => {
  test.each(['ocsf', 'ecs'])('as %s is held against the trail as any other', async (format) => {
    const file = `q3.${format}.ndjson`
    const { directory } = await shell(
      `otel-audit export --from 2026-07-01 --to 2026-10-01 --format ${format} --output ${file}`,
    )
    const verify = `otel-audit verify --manifest ${file}.manifest.json --format table`
    expect((await shell(verify, directory)).code).toBe(0)
    const manifest = JSON.parse(readFileSync(join(directory, `${file}.manifest.json`), 'utf8')) as {
      schema: string
      rows: number
    }
    expect(manifest).toMatchObject({
      rows: 9,
      schema: expect.stringMatching(new RegExp(`^${format}/\\d+\\.\\d+\\.\\d+/1$`)),
    })
    const path = join(directory, file)
    writeFileSync(path, readFileSync(path, 'utf8').replace('mallory', 'malorry'))
    expect((await shell(verify, directory)).stdout).toContain('export-file')
    writeFileSync(`${path}.manifest.json`, JSON.stringify({ ...manifest, schema: `${format}/0.0.0/1` }))
    expect(await shell(verify, directory)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('does not write'),
    })
    const piped = await shell(`otel-audit export --credential orders-db --format ${format}`)
    expect(piped.stdout.trimEnd().split('\n')).toHaveLength(5)
  })
})

describe('find and chains', () => {
  test('end with 3 when there is something, and show a table', async () => {
    const dormant = await shell('otel-audit find dormant --format table --exit-code')
    expect(dormant).toMatchObject({ code: 3, stdout: expect.stringContaining('legacy-ftp') })
    const none = await shell('otel-audit find bursts --from 2026-07-01 --format table --exit-code')
    expect(none).toMatchObject({ code: 0, stdout: 'Nothing was found.\n' })
    const bursts = await shell(
      'otel-audit find bursts --from 2026-07-01 --least 2 --within 10m --format table',
    )
    expect(bursts.stdout).toMatch(/mallory +2 +1 /)
    const json = await shell('otel-audit find denied-then-allowed --from 2026-07-01 --format json')
    expect(JSON.parse(json.stdout)).toMatchObject({ found: [{ value: 'mallory' }], truncated: false })
    expect(
      (await shell('otel-audit find denied-then-allowed --from 2026-07-01 --within 1m --format table'))
        .stdout,
    ).toBe('Nothing was found.\n')
    const chains = await shell('otel-audit chains --format table --exit-code')
    expect(chains.stdout).toMatch(/^shadow +1 +0 +0 +1 +0 +not checked +1 +0 /m)
    const each = await shell('otel-audit chains --each --trust audit.trust --format table --exit-code')
    expect(each).toMatchObject({ code: 3, stdout: expect.stringMatching(/ shadow +i-1 +closed +no /) })
  })

  test.each([
    ['find dormant --for soon', 'for must be how long'],
    ['find bursts --within x', 'within must be how long'],
    ['find denied-then-allowed --within 9d', 'within must be an integer'],
    ['find not-enrolled', 'trust must be a trust file'],
    ['find', 'otel-audit find'],
    ['review', 'from or quarter must be given'],
    ['review --quarter 2026Q5', 'quarter must be'],
    ['export --format xml', '--format must be ndjson, csv, ocsf or ecs'],
  ])('%s is refused', async (flags, said) => {
    const { code, stderr } = await shell(`otel-audit ${flags}`)
    expect(stderr).toContain(said)
    expect(code).toBeGreaterThan(0)
  })
})
