import {
  addAnchors,
  ExportedRows,
  type ExportFinding,
  idsOf,
  parseManifest,
} from '../../query/export/check-export.js'
import type { ExportManifest } from '../../query/export/manifest.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import type { Anchors } from '../../verify/anchors.js'
import type { IdRange, TrailSource } from '../../verify/source.js'
import { textOf } from './verify-input.js'
import { watchedRows } from './watched-rows.js'

/** An export that is held against the trail, along with its verification. */
export class ExportCheck {
  readonly #path: string
  readonly #manifest: ExportManifest
  #rows: ExportedRows | undefined

  private constructor(path: string, manifest: ExportManifest) {
    this.#path = path
    this.#manifest = manifest
  }

  /** @throws AuditError `AUDIT_EVIDENCE_MALFORMED` when it cannot be read, or is not a manifest */
  static async open(path: string): Promise<ExportCheck> {
    return new ExportCheck(path, parseManifest(await textOf(path)))
  }

  /** What is between the first and the last row of the file. */
  get ids(): IdRange {
    return idsOf(this.#manifest)
  }

  addAnchors(anchors: Anchors): void {
    addAnchors(this.#manifest, anchors)
  }

  /** The file by itself. */
  async checkFile(reader: Snapshot): Promise<ExportFinding[]> {
    this.#rows = new ExportedRows(this.#manifest, await reader.place())
    return this.#rows.readFile(this.#path)
  }

  /** The same trail: each row that is verified is counted as one that the file must have, or not. */
  watching(reader: Snapshot): TrailSource {
    return watchedRows(reader, (row) => this.addRow(row))
  }

  addRow(row: Parameters<ExportedRows['addRow']>[0]): void {
    this.#rows?.addRow(row)
  }

  /** When the trail has been verified. */
  findings(): ExportFinding[] {
    const rows = this.#rows
    if (rows === undefined) return []
    if (rows.later > 0) {
      process.stderr.write(
        `otel-audit: ${rows.later} rows between the first and the last of the file are not of the export, since they were recorded after its mark: only the database says so\n`,
      )
    }
    return rows.findings()
  }
}
