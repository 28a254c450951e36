import { strict as assert } from 'node:assert'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findArchives } from '../src/archive/archives.js'
import { DirectoryStore } from '../src/archive/directory-store.js'
import { openDuckDb } from '../src/archive/duckdb.js'
import { readLines } from '../src/archive/ndjson-file.js'
import { parquetFolder, parquetName } from '../src/archive/parquet-note.js'
import { lineOfTexts, rowOfLine } from '../src/archive/row-line.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { startPostgres } from '../test/support/postgres/server.js'
import { Installation, NotHere } from './parquet/installation.js'
import { fillMonths, MONTHS, monthStarts, RARE, RARE_MONTHS } from './parquet/months.js'

const HELP = `Twenty months of a trail, archived with --parquet by the packed package and a real DuckDB: the same counts and digests as the
lines of the archives, what a search of one credential reads, what is altered is found, and the statements of docs/retention.md.

  npm run parquet:check -- [--rows 5000]

  --rows  of each month

Needs the npm registry, for DuckDB (70 MB, into build/). The exit code is 2 when it was not to be had.`

const ORIGIN = 'otel-audit/parquet'
const HOME = '/archive/wallet'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rows: { type: 'string', default: '5000' }, help: { type: 'boolean', default: false } },
  })
  if (values.help) return console.log(HELP)
  const installation = await Installation.make(join(packageRoot(), 'build', 'parquet-check'))
  const server = await startPostgres()
  const directory = mkdtempSync(join(tmpdir(), 'otel-audit-parquet-check-'))
  try {
    await check(installation, server.url(), directory, Number(values.rows))
  } finally {
    rmSync(directory, { recursive: true, force: true })
    await server.close()
  }
}

async function check(
  installation: Installation,
  url: string,
  directory: string,
  rows: number,
): Promise<void> {
  const [key, trust, place] = ['retention.pem', 'audit.trust', 'archive'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  const env = {
    DATABASE_URL: url,
    NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: key,
    NOETL_SECRET_AUDIT_ORIGIN: ORIGIN,
  }
  const run = async (args: readonly string[], expected = 0): Promise<string> => {
    const { code, stdout, stderr } = await installation.otelAudit(args, env)
    assert.equal(code, expected, `otel-audit ${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }
  await run(['migrate'])
  const line = await run(['keys', 'create', '--retention', '--origin', ORIGIN, '--out', key])
  writeFileSync(trust, `origin ${ORIGIN}\n${line}unsigned any\n`)
  await fillMonths(url, ORIGIN, rows)
  const before = new Date(monthStarts()[MONTHS] ?? 0).toISOString().slice(0, 10)
  const archiving = ['archive', '--before', before, '--to', place, '--trust', trust]
  await run(archiving)
  const began = process.hrtime.bigint()
  // Of archives that there are already, too.
  const said = await run([...archiving, '--parquet'])
  console.log(`${said.trim()} (${Number(process.hrtime.bigint() - began) / 1e9} s)`)
  assert.match(await run([...archiving, '--parquet']), /^0 archives written as Parquet/m)
  await run(['verify', '--archive', place, '--trust', trust, '--format', 'json'])

  await sameRows(installation, place, directory)
  await oneCredential(installation, place)
  await statementsOfThePage(installation, place, directory)

  const [folder = ''] = readdirSync(place).filter((name) => name.endsWith('-parquet'))
  const file = join(place, folder, 'rows-000001.parquet')
  const bytes = readFileSync(file)
  bytes[1000] = (bytes[1000] ?? 0) ^ 1
  writeFileSync(file, bytes)
  const found = await run(['verify', '--archive', place, '--trust', trust, '--format', 'table'], 1)
  assert.match(found, /rows-000001\.parquet is not the file of its note/)
  console.log('one bit of a Parquet file altered: found by verify --archive, by name')
}

/** Every row of every part, from the lines and from Parquet: the same, and of the same digest. */
async function sameRows(installation: Installation, place: string, directory: string): Promise<void> {
  const engine = await openDuckDb(directory, () => installation.duckdb())
  const store = new DirectoryStore(place)
  const { archives } = await findArchives(store)
  let [rows, bytes, gzip] = [0, 0, 0]
  for (const { folder, manifest } of archives) {
    for (const part of manifest.parts) {
      const file = `${parquetFolder(folder)}/${parquetName(part.name)}`
      const digests: string[] = []
      for await (const batch of engine.rows(join(place, file)))
        for (const texts of batch) digests.push(digestOf(lineOfTexts(texts)))
      const expected: string[] = []
      for await (const lines of readLines(store, folder, part)) expected.push(...lines.map(digestOf))
      assert.equal(digests.length, part.lines)
      assert.deepEqual(digests, expected, file)
      rows += digests.length
      bytes += (await store.stat(file))?.bytes ?? 0
      gzip += part.bytes
    }
  }
  engine.close()
  assert.equal(archives.length, MONTHS)
  console.log(
    `${engine.name}: ${rows} rows of ${archives.length} archives, the digest of each as computed from Parquet and from the lines the same; ${(bytes / rows).toFixed(1)} B a row (lines ${(gzip / rows).toFixed(1)} B)`,
  )
}

function digestOf(line: string): string {
  return Buffer.from(rowOfLine(line).computed).toString('hex')
}

/** Row groups that a search of one credential has to read, by the filters in the files. */
async function oneCredential(installation: Installation, place: string): Promise<void> {
  const files = `${place}/*-parquet/rows-*.parquet`
  const ask = await asker(installation)
  const [[groups = '', hits = ''] = []] = await ask(
    `select cast(count(*) as varchar), cast(count(*) filter (not bloom_filter_excludes) as varchar) from parquet_bloom_probe('${files}', 'credential', '${RARE}')`,
  )
  const [[found = ''] = []] = await ask(
    `select cast(count(*) as varchar) from read_parquet('${files}') where credential = '${RARE}'`,
  )
  assert.equal(Number(found), 3 * RARE_MONTHS.length)
  assert.equal(Number(hits), RARE_MONTHS.length)
  console.log(
    `${RARE}: ${found ?? ''} rows; ${hits ?? ''} of ${groups ?? ''} row groups can hold it, and are read`,
  )
}

/** What the page says about DuckDB, as it stands there. */
async function statementsOfThePage(
  installation: Installation,
  place: string,
  directory: string,
): Promise<void> {
  const page = readFileSync(join(packageRoot(), 'docs', 'retention.md'), 'utf8')
  const statements = [...page.matchAll(/^```sql\n(.*?)^```/gms)].flatMap(([, block = '']) =>
    block.split(';\n').filter((text) => text.trim() !== ''),
  )
  assert.ok(statements.length >= 2, 'the page has no statements for DuckDB')
  const output = join(directory, 'of-the-page')
  mkdirSync(output)
  const ask = await asker(installation)
  for (const statement of statements) {
    const here = statement
      .replaceAll(HOME, place)
      .replaceAll("'wallet.parquet'", `'${join(output, 'wallet.parquet')}'`)
    const rows = await ask(here)
    console.log(`${statement.trim().split('\n')[0]} …: ${rows.length} rows`)
  }
}

type Ask = (sql: string) => Promise<readonly (readonly (string | null)[])[]>

async function asker(installation: Installation): Promise<Ask> {
  const { DuckDBInstance } = await installation.duckdb()
  const connection = await (await DuckDBInstance.create(':memory:', {})).connect()
  return async (sql) => {
    const rows: (readonly (string | null)[])[] = []
    const result = await connection.stream(sql)
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) return rows
      rows.push(...chunk.getRows())
    }
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof NotHere ? `not checked: ${error.message}` : error)
  process.exitCode = error instanceof NotHere ? 2 : 1
})
