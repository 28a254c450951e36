/** The original's path. */
export const TRAIL_PATH = '/api/internal/secret-audit'
