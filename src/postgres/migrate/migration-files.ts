import { sha256 } from '../../event/sha256.js'
import { readdir } from 'node:fs/promises'
import { VERSION } from '../../version.js'
import { packageFile } from '../../host/package-file.js'
import { readSql, renderSql } from '../sql-text.js'

/** One numbered file of `migrations/`. Once released it never changes. */
export interface Migration {
  readonly number: number
  readonly name: string
  /** SHA-256 of the file's text, hex. */
  readonly checksum: string
  /** Versions that do not know this migration must not write. */
  readonly breaking: boolean
  /** With placeholders. */
  readonly text: string
}

/** All migrations of this version, in order. */
export async function loadMigrations(): Promise<readonly Migration[]> {
  const files = (await readdir(packageFile('migrations/', import.meta.url))).filter((file) =>
    file.endsWith('.sql'),
  )
  return Promise.all(files.sort().map(loadMigration))
}

async function loadMigration(file: string): Promise<Migration> {
  const text = await readSql(`migrations/${file}`, import.meta.url)
  const named = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file)
  const marked = /^-- breaking: (yes|no)\n/.exec(text)
  if (!named || !marked) throw new Error(`${file} is not a migration: its name or its first line is wrong`)
  return {
    number: Number(named[1]),
    name: named[2] ?? '',
    checksum: sha256(text).toString('hex'),
    breaking: marked[1] === 'yes',
    text,
  }
}

/** The statements of a migration for one schema, and the one that records it. They belong into one transaction. */
export function migrationSql(migration: Migration, schema: string): string {
  const { number, name, checksum, breaking, text } = migration
  const record = `insert into :SCHEMA.secret_audit_migration (number, name, checksum, breaking, product_version)
values (${number}, '${name}', '${checksum}', ${breaking}, '${VERSION}');
`
  return renderSql(`${text}\n${record}`, schema)
}
