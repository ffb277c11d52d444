// How a machine gets a fast LAPACK.

/**
 * How to get a fast LAPACK here.
 * @param platform as `process.platform` has it
 */
export function howToInstall(platform: NodeJS.Platform = process.platform): string {
  const packages =
    platform === 'linux'
      ? 'apt-get install libopenblas0 (Fedora: dnf install openblas; Alpine: apk add openblas)'
      : 'install OpenBLAS';
  return `${packages}, or set KRONLENS_BLAS to the path of a LAPACK library`;
}
