import { describe, expect, test } from 'vitest'
import { type DuckDbPackage, openDuckDb } from '../../src/archive/duckdb.js'
import { COLUMNS } from '../../src/archive/row-line.js'

// How DuckDB is asked. That it answers so is for `npm run parquet:check` to show, which installs it.

interface Asked {
  readonly sql: string[]
  options: Readonly<Record<string, string>>
  closed: number
}

/** What answers as the package does, in its types. */
function packageThat(
  answer: (sql: string) => readonly (readonly (string | null)[])[],
): [DuckDbPackage, Asked] {
  const asked: Asked = { sql: [], options: {}, closed: 0 }
  const closeSync = (): void => void asked.closed++
  const ask = (sql: string): readonly (readonly (string | null)[])[] => {
    asked.sql.push(sql)
    return answer(sql)
  }
  const given: DuckDbPackage = {
    version: () => 'v1.5.6',
    DuckDBInstance: {
      create: async (_path, options) => {
        asked.options = options
        return {
          closeSync,
          connect: async () => ({
            closeSync,
            run: async (sql) => ask(sql),
            stream: async (sql) => {
              const chunks = [ask(sql), []]
              return {
                fetchChunk: async () => {
                  const rows = chunks.shift() ?? []
                  return { rowCount: rows.length, getRows: () => rows }
                },
              }
            },
          }),
        }
      },
    },
  }
  return [given, asked]
}

test('without the package, it says what to install', async () => {
  await expect(openDuckDb('.')).rejects.toMatchObject({
    code: 'AUDIT_MISSING_PACKAGE',
    message: expect.stringContaining('npm install @duckdb/node-api'),
  })
})

test('every column is written in its type, and read as a line has it', async () => {
  const row = COLUMNS.map(([name]) => name)
  const [given, asked] = packageThat(() => [row])
  const engine = await openDuckDb('/spill', async () => given)
  expect(engine.name).toBe('DuckDB v1.5.6')
  await engine.write("/tmp/it's.ndjson.gz", '/tmp/x.parquet')
  const rows: (readonly (string | null)[])[] = []
  for await (const batch of engine.rows('/tmp/x.parquet')) rows.push(...batch)
  expect(rows).toEqual([row])
  engine.close()
  expect(asked.closed).toBe(2)
  // No network, and nothing in the working directory.
  expect(asked.options).toEqual({
    temp_directory: '/spill',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const [copy = '', select = ''] = asked.sql
  for (const [name] of COLUMNS) {
    expect(copy).toContain(` as ${name}`)
    expect(copy).toContain(`${name}: '`)
    expect(select).toContain(name)
  }
  expect(copy).toContain('cast(audit_id as bigint) as audit_id')
  expect(copy).toContain('make_timestamptz(cast(occurred_at as bigint)) as occurred_at')
  expect(copy).toContain('cast(attributes as json) as attributes')
  expect(copy).toContain('unhex(event_digest) as event_digest')
  expect(copy).toContain("read_ndjson('/tmp/it''s.ndjson.gz'")
  expect(copy).toContain('compression zstd')
})

describe('an error', () => {
  test.each([
    ['Conversion Error: Could not convert string "canary-c417" to INT64', 'Conversion Error'],
    ['canary-c417', 'an error'],
  ])('quotes nothing of a row: %s', async (said, kind) => {
    const [given] = packageThat(() => {
      throw new Error(said)
    })
    const engine = await openDuckDb('.', async () => given)
    for (const work of [
      () => engine.write('a', 'b'),
      () => engine.rows('a')[Symbol.asyncIterator]().next(),
    ]) {
      const error = await work().then(
        () => undefined,
        (thrown: unknown) => thrown as Error,
      )
      expect(error).toMatchObject({
        code: 'AUDIT_ARCHIVE',
        message: expect.stringContaining(`DuckDB has failed (${kind})`),
      })
      expect(JSON.stringify(error) + String(error) + String(error?.cause)).not.toContain('canary-c417')
    }
  })
})
