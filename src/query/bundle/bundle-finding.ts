/** Everything that a check of a bundle can find. */
export const BUNDLE_FINDINGS = Object.freeze({
  'bundle-file': 'A file of the bundle is missing, altered, cut short, exchanged, or one too many.',
  'bundle-signature': 'The manifest is not signed by an evidence key of the trust file.',
  'bundle-row': 'A row is not the one that was proven, has no proof, or is not one of the bundle.',
  'bundle-proof': 'A proof does not hold, or is of a row that is not there.',
  'bundle-manifest': 'The manifest says something else than the files.',
})

export interface BundleFinding {
  readonly code: keyof typeof BUNDLE_FINDINGS
  /** In one line. The file or the row is named. */
  readonly message: string
}

/** Told of each finding. */
export type Found = (code: BundleFinding['code'], message: string) => void
