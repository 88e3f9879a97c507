/** What every peer's page shows of an answer, and what the measurement looks at. */

const results = document.getElementById('results');

/** The best label with its score, in place of the one before. */
export function show(label, score) {
  const item = document.createElement('li');
  const name = document.createElement('span');
  name.dataset.testid = 'top-label';
  name.dataset.label = label;
  name.textContent = `${label}: ${(100 * score).toFixed(1)} %`;
  item.append(name);
  item.dataset.testid = 'result';
  results.replaceChildren(item);
}

/** An error instead of an answer. */
export function fail(error) {
  const item = document.createElement('li');
  item.dataset.testid = 'result';
  item.dataset.error = String(error);
  item.textContent = String(error);
  results.replaceChildren(item);
}

/** Have each chosen photo answered. */
export function onPhoto(classify) {
  document.querySelector('input[type=file]').addEventListener('change', async ({ target }) => {
    try {
      const { label, score } = await classify(target.files[0]);
      show(label, score);
    } catch (error) {
      fail(error);
    }
  });
}
