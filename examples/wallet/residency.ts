/** Where a credential's value may be released: everywhere, or in the listed regions alone. */
export type Residency = 'anywhere' | readonly string[]

export function mayBeReleasedIn(region: string, residency: Residency): boolean {
  return residency === 'anywhere' || residency.includes(region)
}
