/** As under `engines` in package.json. */
export const NEEDED = 'Node 20.19, or 22.12 and later'

export function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
}
