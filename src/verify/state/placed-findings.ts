import { type Finding, type FindingCode, FindingLog } from '../finding.js'

/** Findings that are known by their places. Beyond that one is counted again where it is found again. */
const MOST_KNOWN = 100_000

/**
 * Findings of one run. What is read twice in it, as new and as old, is found once; and each chain that something was found in is
 * noted.
 */
export class PlacedFindings extends FindingLog {
  /** Chains with findings of their blocks, while {@link PlacedFindings.inChains}. */
  readonly chains = new Set<string>()
  inChains = false
  readonly #known = new Set<string>()
  #noted = 0

  /** How many there were, those that were found before included. */
  get noted(): number {
    return this.#noted
  }

  override add(code: FindingCode, detail: string, place: Omit<Finding, 'code' | 'message'>): void {
    this.#noted++
    const { chain, block, auditId } = place
    if (this.inChains && chain !== undefined) this.chains.add(chain)
    const key = `${code} ${chain} ${block} ${auditId} ${chain === undefined ? detail : ''}`
    if (this.#known.has(key)) return
    if (this.#known.size < MOST_KNOWN) this.#known.add(key)
    super.add(code, detail, place)
  }
}
