import { AuditError } from '../errors.js'
import { archiveError } from './archive-store.js'
import type { ParquetEngine } from './parquet-engine.js'
import { COLUMNS } from './row-line.js'

/** An optional peer, of 70 MB: nobody else pays for it. */
const PACKAGE: string = '@duckdb/node-api'

/** What of the package is used. */
export interface DuckDbPackage {
  version(): string
  readonly DuckDBInstance: {
    create(path: string, options: Readonly<Record<string, string>>): Promise<DuckDbInstance>
  }
}

interface DuckDbInstance {
  connect(): Promise<DuckDbConnection>
  closeSync(): void
}

interface DuckDbConnection {
  run(sql: string): Promise<unknown>
  stream(sql: string): Promise<{ fetchChunk(): Promise<DuckDbChunk | null> }>
  closeSync(): void
}

interface DuckDbChunk {
  readonly rowCount: number
  getRows(): readonly (readonly (string | null)[])[]
}

/** Rows of a group: a search of one credential skips groups, by its Bloom filter. Smaller ones cost size, larger ones skip less. */
const GROUP_ROWS = 30_720
/** DuckDB writes Bloom filters with dictionaries only, which by default are of a tenth of the rows at most. */
const DICTIONARY_ROWS = GROUP_ROWS / 2
const LONGEST_LINE_BYTES = 64 * 1024 * 1024

/**
 * Parquet by DuckDB, in memory. It loads no extension that it does not bring, and so needs no network.
 *
 * @param directory where it may put what does not fit into memory
 * @throws AuditError `AUDIT_MISSING_PACKAGE`
 */
export async function openDuckDb(
  directory: string,
  load: () => Promise<DuckDbPackage> = () => import(PACKAGE) as Promise<DuckDbPackage>,
): Promise<ParquetEngine> {
  const duckdb = await load().catch((cause: unknown) => {
    throw new AuditError(
      'AUDIT_MISSING_PACKAGE',
      `Parquet needs the package ${PACKAGE}: npm install ${PACKAGE}`,
      {
        cause,
      },
    )
  })
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    temp_directory: directory,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  return {
    name: `DuckDB ${duckdb.version()}`,
    async write(from, to) {
      await connection.run(writeSql(from, to)).catch(failed)
    },
    async *rows(file) {
      const result = await connection.stream(readSql(file)).catch(failed)
      for (;;) {
        const chunk = await result.fetchChunk().catch(failed)
        if (chunk === null || chunk.rowCount === 0) return
        yield chunk.getRows()
      }
    },
    close() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

/** Columns in their types: times in µs, bytes as bytes, the attributes as JSON with every character of their text. */
const TYPED: Readonly<Record<(typeof COLUMNS)[number][1], (name: string) => string>> = {
  int8: (name) => `cast(${name} as bigint)`,
  int4: (name) => `cast(${name} as integer)`,
  time: (name) => `make_timestamptz(cast(${name} as bigint))`,
  bytes: (name) => `unhex(${name})`,
  text: (name) => (name === 'attributes' ? `cast(${name} as json)` : name),
}

/** And back again, as lines have them. */
const AS_TEXT: typeof TYPED = {
  int8: (name) => `cast(${name} as varchar)`,
  int4: (name) => `cast(${name} as varchar)`,
  time: (name) => `cast(epoch_us(${name}) as varchar)`,
  bytes: (name) => `lower(hex(${name}))`,
  text: (name) => `cast(${name} as varchar)`,
}

function writeSql(from: string, to: string): string {
  const typed = COLUMNS.map(([name, kind]) => `${TYPED[kind](name)} as ${name}`).join(', ')
  const given = COLUMNS.map(([name, kind]) => `${name}: '${kind === 'int4' ? 'INTEGER' : 'VARCHAR'}'`).join(
    ', ',
  )
  return (
    `copy (select ${typed} from read_ndjson(${literal(from)}, columns = {${given}}, compression = 'gzip', ` +
    `maximum_object_size = ${LONGEST_LINE_BYTES})) to ${literal(to)} ` +
    `(format parquet, compression zstd, row_group_size ${GROUP_ROWS}, dictionary_size_limit ${DICTIONARY_ROWS})`
  )
}

function readSql(file: string): string {
  return `select ${COLUMNS.map(([name, kind]) => AS_TEXT[kind](name)).join(', ')} from read_parquet(${literal(file)})`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Its message quotes values of the rows: only what kind of error it is goes on. */
function failed(error: unknown): never {
  const [kind = 'an error'] = /^[A-Z][A-Za-z ]* Error/.exec((error as Error).message) ?? []
  throw archiveError(`DuckDB has failed (${kind})`)
}
