import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../../event/sha256.js'
import type { AuditEvent } from '../../event/fields.js'
import { AuditError } from '../../errors.js'
import { createHash } from '../../host/crypto.js'
import { JSON } from '../../host/globals.js'
import { checkRowProof, type ProvenRow, type RowProof } from '../../verify/row-proof.js'
import { mustBeSigned, type Trust } from '../../verify/trust.js'
import { matches } from '../matches.js'
import { CoverageTally } from '../review/coverage-tally.js'
import { parseTime } from '../time.js'
import { filterOf, parseManifest } from '../export/check-export.js'
import type { Found } from './bundle-finding.js'
import { linesOf } from './bundle-lines.js'
import type { BundleFileName, BundleManifest } from './bundle-manifest.js'
import { NotesFile } from './notes-file.js'
import { provenPartOf, signedPartOf } from './proven-line.js'

export interface RowsChecked {
  /** Rows that are proven. */
  readonly proven: number
  /** Of these, in chains that an enrolment key of the trust file has signed. */
  readonly enrolled: number
  /** Rows without a block, where the trust file lets them be. */
  readonly unsigned: number
}

/** What a proof has proven, until its row comes. */
interface Proven {
  readonly digest: string
  readonly event: AuditEvent
  readonly enrolled: boolean
}

/** Holds the rows of a bundle against their proofs, and what follows from the rows against the other files. */
export async function checkBundleRows(
  directory: string,
  manifest: BundleManifest,
  trust: Trust,
  { whole, found }: { readonly whole: ReadonlySet<BundleFileName>; readonly found: Found },
): Promise<RowsChecked> {
  const notes = new NotesFile()
  const notesHash = createHash('sha256')
  const proofs = new Map<string, Proven>()
  let proofLines = 0
  for await (const line of readable(linesOf(directory, 'proofs.ndjson'))) {
    proofLines++
    const proven = checkedProof(line, trust, found, proofLines)
    if (proven === undefined) continue
    notesHash.update(notes.add(JSON.parse(line) as RowProof))
    const { event, enrolled } = proven
    const id = String(event.auditId)
    if (proofs.has(id)) found('bundle-proof', `row ${id} has two proofs`)
    proofs.set(id, { digest: digestOf(provenPartOf(proven)), event, enrolled })
  }
  const coverage = manifest.window === null ? undefined : coverageOf(manifest.window)
  const check = new RowCheck(manifest, trust, proofs, found)
  const filter = filterOf(manifest.filter)
  let last: bigint | undefined
  for await (const line of readable(linesOf(directory, 'rows.ndjson'))) {
    const event = check.row('rows.ndjson', line)
    if (event === undefined) continue
    if (!matches(filter, event)) {
      found('bundle-row', `row ${event.auditId} of rows.ndjson is not one that the filter asks for`)
    }
    if (last !== undefined && event.auditId >= last) {
      found('bundle-row', `row ${event.auditId} of rows.ndjson is out of order`)
    }
    last = event.auditId
  }
  const rows = check.rows
  for await (const line of readable(linesOf(directory, 'context.ndjson'))) {
    const event = check.row('context.ndjson', line)
    if (event !== undefined) coverage?.add(event)
  }
  check.end()
  compare(found, 'rows', rows, manifest.rows)
  compare(found, 'context_rows', check.rows - rows, manifest.context_rows)
  compare(found, 'proofs', proofLines, manifest.proofs)
  if (whole.has('notes.txt') && notesHash.digest('hex') !== fileSha(manifest, 'notes.txt')) {
    found('bundle-manifest', 'notes.txt does not have the notes that the proofs name')
  }
  if (
    whole.has('coverage.json') &&
    sha256(coverageText(coverage)).toString('hex') !== fileSha(manifest, 'coverage.json')
  ) {
    found('bundle-manifest', 'coverage.json is not what follows from the rows of context.ndjson')
  }
  if (whole.has('rows.ndjson.manifest.json')) await checkExportManifest(directory, manifest, found)
  const { proven, enrolled, unsigned } = check
  return { proven, enrolled, unsigned }
}

/** The file `coverage.json`. */
export function coverageText(coverage: CoverageTally | undefined): string {
  return `${JSON.stringify({ stated: coverage?.stated() ?? [] }, undefined, 2)}\n`
}

export function coverageOf({ from, to }: { readonly from: string; readonly to: string }): CoverageTally {
  return new CoverageTally({ from: parseTime(from, 0) ?? 0, to: parseTime(to, 0) ?? 0 })
}

function checkedProof(line: string, trust: Trust, found: Found, number: number): ProvenRow | undefined {
  try {
    return checkRowProof(line, trust)
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    const row = idIn(line)
    found(
      'bundle-proof',
      `line ${number} of proofs.ndjson${row === undefined ? '' : `, row ${row}`}: ${error.reason}`,
    )
    return undefined
  }
}

/** For a message: of which row a line that proves nothing says it is. */
function idIn(line: string): string | undefined {
  return /"(?:auditId|audit_id)":"(-?\d{1,19})"/.exec(line)?.[1]
}

class RowCheck {
  readonly #unproven: ReadonlyMap<string, string>
  readonly #trust: Trust
  readonly #proofs: Map<string, Proven>
  readonly #found: Found
  readonly #seen = new Set<string>()
  rows = 0
  proven = 0
  enrolled = 0
  unsigned = 0

  constructor(manifest: BundleManifest, trust: Trust, proofs: Map<string, Proven>, found: Found) {
    this.#unproven = new Map(manifest.unproven.map(({ audit_id, why }) => [audit_id, why]))
    this.#trust = trust
    this.#proofs = proofs
    this.#found = found
  }

  /** @returns what was proven of it */
  row(file: BundleFileName, line: string): AuditEvent | undefined {
    this.rows++
    const id = idIn(line)
    if (id === undefined) {
      this.#found('bundle-row', `line ${this.rows} of ${file} is not a row`)
      return undefined
    }
    if (this.#seen.has(id)) {
      this.#found('bundle-row', `row ${id} is there twice`)
      return undefined
    }
    this.#seen.add(id)
    const proven = this.#proofs.get(id)
    this.#proofs.delete(id)
    if (proven === undefined) {
      this.#withoutProof(file, id, line)
      return undefined
    }
    const signed = signedPartOf(line)
    if (signed === undefined || digestOf(signed) !== proven.digest) {
      this.#found('bundle-row', `row ${id} of ${file} is not the one that was proven`)
      return undefined
    }
    this.proven++
    if (proven.enrolled) this.enrolled++
    return proven.event
  }

  #withoutProof(file: string, id: string, line: string): void {
    const why = this.#unproven.get(id)
    if (why === undefined) {
      this.#found('bundle-row', `row ${id} of ${file} has no proof`)
    } else if (
      line.endsWith('"chain_id":null,"block_no":null,"block_index":null}') &&
      !mustBeSigned(this.#trust, BigInt(id))
    ) {
      this.unsigned++
    } else {
      this.#found('bundle-row', `row ${id} of ${file} could not be proven when the bundle was made: ${why}`)
    }
  }

  /** When all rows have come. */
  end(): void {
    for (const id of this.#proofs.keys()) {
      this.#found('bundle-proof', `row ${id} has a proof, and is not in the bundle`)
    }
    for (const id of this.#unproven.keys()) {
      if (!this.#seen.has(id))
        this.#found('bundle-row', `row ${id} is named as not proven, and is not in the bundle`)
    }
  }
}

async function checkExportManifest(directory: string, manifest: BundleManifest, found: Found): Promise<void> {
  const name = 'rows.ndjson.manifest.json'
  try {
    const exported = parseManifest(await readFile(join(directory, name), 'utf8'))
    const isSame =
      exported.sha256 === fileSha(manifest, 'rows.ndjson') &&
      exported.rows === manifest.rows &&
      JSON.stringify(exported.filter) === JSON.stringify(manifest.filter)
    if (!isSame) found('bundle-manifest', `${name} is of other rows`)
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    found('bundle-manifest', `${name}: ${error.reason}`)
  }
}

function compare(found: Found, name: string, actual: number, said: number): void {
  if (actual !== said) found('bundle-manifest', `the manifest says ${said} ${name}, and there are ${actual}`)
}

function fileSha({ files }: BundleManifest, name: BundleFileName): string | undefined {
  return files.find((file) => file.name === name)?.sha256
}

function digestOf(line: string): string {
  return sha256(line).toString('base64')
}

/** None of a file that is not there, or breaks off: that was found before. */
async function* readable(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  try {
    yield* lines
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error
  }
}
