import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withProven } from '../../archive/archive.js'
import { openDuckDb } from '../../archive/duckdb.js'
import type { ParquetEngine } from '../../archive/parquet-engine.js'
import type { ArchiveContext } from '../../archive/place.js'
import { writeParquet } from '../../archive/write-parquet.js'

/** Writes the proven archives of a place as Parquet, too. */
export interface ParquetWriter {
  /** @returns how many archives were written */
  write(context: ArchiveContext): Promise<number>
  close(): Promise<void>
}

/**
 * Opens it before anything is archived: whoever lacks the package hears it at once.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE`
 */
export async function openParquetWriter(
  openEngine: (directory: string) => Promise<ParquetEngine> = openDuckDb,
): Promise<ParquetWriter> {
  const directory = await mkdtemp(join(tmpdir(), 'otel-audit-parquet-'))
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const engine = await openEngine(directory).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  return {
    write: (context) =>
      withProven(context, (archives) => {
        const { store, signer, trust, lock, onLine } = context
        return writeParquet(
          { store, engine, signer, keys: trust.retention ?? [], directory, onLine, lock },
          archives,
        )
      }),
    async close() {
      engine.close()
      await remove()
    },
  }
}
