import type { DatabaseUrl } from '../../postgres/database-url.js'
import {
  addAnchors,
  checkFile,
  checkRows,
  type ExportFinding,
  idsOf,
  parseManifest,
} from '../../query/export/check-export.js'
import type { ExportManifest } from '../../query/export/manifest.js'
import { Trail } from '../../query/trail.js'
import type { Anchors } from '../../verify/anchors.js'
import type { IdRange } from '../../verify/source.js'
import { Progress } from './progress.js'
import { textOf } from './verify-input.js'

/** An export that is held against the trail. */
export class ExportCheck {
  readonly #path: string
  readonly #manifest: ExportManifest

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

  /** The file, and the rows that the database has in its place now. */
  async check(database: {
    readonly databaseUrl: DatabaseUrl
    readonly schema: string
  }): Promise<ExportFinding[]> {
    const trail = new Trail({ ...database, connections: 1, applicationName: 'otel-audit verify' })
    const progress = new Progress('rows read again')
    try {
      const file = await checkFile(this.#path, this.#manifest)
      return [...file, ...(await checkRows(trail, this.#manifest, (count) => progress.add(count)))]
    } finally {
      progress.end()
      await trail.close()
    }
  }
}
