// Names and explanations of the measures of structure.arrow.

export interface MeasureWords {
  readonly title: string;
  readonly explanation: string;
}

const WORDS: Readonly<Record<string, MeasureWords>> = {
  mean_alignment: {
    title: 'mean alignment',
    explanation: '(v₁ · E[x] / ‖E[x]‖)², v₁ the top eigenvector of E[xxᵀ]',
  },
  spectral_ratio: {
    title: 'λ₁/λ₂ of E[xxᵀ]',
    explanation: 'how far the first eigenvalue stands out',
  },
  decoupling_error_spectral: {
    title: 'decoupling error, spectral',
    explanation: '‖E[M] ⊗ E[xxᵀ] − H‖ / ‖H‖ in the spectral norm',
  },
  decoupling_error_frobenius: {
    title: 'decoupling error, Frobenius',
    explanation: '‖E[M] ⊗ E[xxᵀ] − H‖ / ‖H‖ in the Frobenius norm',
  },
  decoupling_error_frobenius_standard_error: {
    title: '± Frobenius',
    explanation:
      'the standard error of the Frobenius error where it is estimated from random vectors',
  },
  decoupling_error_frobenius_ekfac: {
    title: 'error of EKFAC, Frobenius',
    explanation: 'the same with the exact diagonal in the basis of E[M] ⊗ E[xxᵀ]',
  },
  heuristic_overlap: {
    title: 'heuristic overlap',
    explanation: 'of the top c − 1 eigenspace of E[M] with the row space of the weights behind',
  },
  surrogate_overlap: {
    title: 'overlap of M~',
    explanation: 'of the top c − 1 eigenspaces of E[M] and its surrogate 4^−L Sᵀ E[A] S',
  },
  surrogate_error: {
    title: 'error of M~',
    explanation: '‖M~ − E[M]‖ / ‖E[M]‖ in the Frobenius norm',
  },
  class_mean_share_output: {
    title: 'class means of E[M]',
    explanation:
      'the share of its trace that class and cross-class means of output gradients explain',
  },
  class_mean_share_ggn: {
    title: 'class means of H',
    explanation: 'the share of its trace that class and cross-class means of Jacobians explain',
  },
  trace: { title: 'trace of H', explanation: 'the sum of all eigenvalues of the exact block' },
  trace_kronecker: {
    title: 'trace, Kronecker',
    explanation: 'the sum of all eigenvalues of E[M] ⊗ E[xxᵀ]',
  },
  trace_standard_error: {
    title: '± trace',
    explanation: 'its standard error where it is estimated',
  },
  norm_frobenius_standard_error: {
    title: '± ‖H‖',
    explanation: 'its standard error where it is estimated',
  },
  norm_frobenius: { title: '‖H‖', explanation: 'the Frobenius norm of the exact block' },
  norm_frobenius_kronecker: {
    title: '‖E[M] ⊗ E[xxᵀ]‖',
    explanation: 'the Frobenius norm of the Kronecker product',
  },
  eigenspace_overlap: {
    title: 'Overlap, exact and Kronecker',
    explanation:
      '‖UᵀV‖² / k (Frobenius) of the top-k eigenspaces of H and of E[M] ⊗ E[xxᵀ]: 1 where they are equal, k/d for random ones in d dimensions.',
  },
  eigenvalue_ratio: {
    title: 'Eigenvalue ratio, Kronecker over exact',
    explanation: 'The k-th eigenvalue of E[M] ⊗ E[xxᵀ] over that of H.',
  },
  eigenspace_overlap_full: {
    title: 'Overlap, exact and approximate',
    explanation:
      '‖UᵀV‖² / k (Frobenius) of the top-k eigenspaces of H and of its approximation: 1 where they are equal, k/d for random ones in d dimensions.',
  },
  eigenvalue_ratio_full: {
    title: 'Eigenvalue ratio, approximate over exact',
    explanation: 'The k-th eigenvalue of the approximation over that of H.',
  },
  matricised_rank_ratio: {
    title: 'Low rank of matricised eigenvectors',
    explanation:
      '‖Mat(h)‖₂ / ‖Mat(h)‖ (Frobenius) of the eigenvectors h of H: 1 where h is a product u ⊗ v.',
  },
};

/** Measures that are taken of several operators and end in the operator's name. */
const BY_OPERATOR: Readonly<Record<string, (operator: string) => MeasureWords>> = {
  outlier_position: (operator) => ({
    title: `outliers of ${operator}`,
    explanation: 'the number of eigenvalues above the largest relative gap',
  }),
  outlier_ratio: (operator) => ({
    title: `λ(c−1)/λ(c) of ${operator}`,
    explanation: 'how far the c − 1 outliers stand out',
  }),
};

const OPERATORS: Readonly<Record<string, string>> = {
  output: 'E[M]',
  input: 'E[xxᵀ]',
  ggn: 'H',
  hessian: 'the Hessian',
};

/** An unknown measure is shown under its own name. */
export function measureWords(measure: string): MeasureWords {
  const known = WORDS[measure];
  if (known !== undefined) return known;
  if (measure.includes('_hessian')) {
    const ofExact = WORDS[measure.replace('_hessian', '')];
    if (ofExact !== undefined) return { ...ofExact, title: `${ofExact.title} (Hessian)` };
  }
  for (const [prefix, words] of Object.entries(BY_OPERATOR)) {
    if (!measure.startsWith(`${prefix}_`)) continue;
    const operator = measure.slice(prefix.length + 1);
    return words(OPERATORS[operator] ?? operator);
  }
  return { title: measure.replaceAll('_', ' '), explanation: '' };
}
