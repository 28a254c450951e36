/** The value of a flag of the command line. @throws TypeError with a text for the user */
export function numberOption(
  flag: string,
  text: string | undefined,
  byDefault: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return byDefault
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  throw new TypeError(`${flag} must be a number from ${least} to ${most}`)
}

/** The same for numbers without a fraction. */
export function wholeNumberOption(
  flag: string,
  text: string | undefined,
  byDefault: number,
  least: number,
  most: number,
): number {
  const value = numberOption(flag, text, byDefault, least, most)
  if (text === undefined || Number.isInteger(value)) return value
  throw new TypeError(`${flag} must be a whole number`)
}
