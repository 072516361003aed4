#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reports as a browser shows them: pictures to be looked at, and three things that the browser itself can tell: the page
# asks for nothing outside of itself, nothing is wider than a phone, and the dark page is dark.
#   test-report.sh BUILD          WALLS=container,microvm,guest-root names what is compared
set -euo pipefail

build=$(cd "${1:-build}" && pwd)
out=$build/report
work=$(mktemp -d "${TMPDIR:-/tmp}/duet-report.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

browser() {
	timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync \
		--user-data-dir="$work/profile.$RANDOM" --hide-scrollbars "$@" 2>"$work/browser.log"
}

# picture NAME PAGE WIDTH HEIGHT light|dark
picture() {
	local scheme=1
	[ "$5" = dark ] && scheme=0
	browser --window-size="$3,$4" --blink-settings=preferredColorScheme=$scheme --screenshot="$out/$1" "file://$2"
	[ -s "$out/$1" ]
}

# The same page in a frame of a phone's width says how wide it really is.
is_narrow() {
	local width
	cat >"$work/frame.html" <<END
<!DOCTYPE html><iframe id="f" src="file://$1" width="390" height="800"></iframe>
<script>onload = () => { const d = f.contentDocument.documentElement; document.title = d.scrollWidth; document.body.textContent = "width=" + d.scrollWidth }</script>
END
	width=$(browser --allow-file-access-from-files --dump-dom "file://$work/frame.html" | grep -o 'width=[0-9]*' | tail -n 1)
	[ "${width#width=}" -le 390 ] || {
		echo "$1: ${width:-no width} on a screen of 390 pixels" >&2
		return 1
	}
}

# Where guest kernel code is emulated machines take long.
if [ -e /dev/kvm ] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then walls=container,microvm,guest-root; else walls=container; fi
walls=${WALLS:-$walls}
timeout 600 "$build/duet" --root "$work/state" compare --isolation "$walls" --report "$out/compare.html" >"$out/compare.txt"
timeout 600 "$build/duet" --root "$work/state" bench --isolation host,container --runs 5 --suite startup,syscalls --format json \
	--report "$out/bench.html" >"$out/bench.json"
"$build/duet" bench --from "$out/bench.json" --report "$out/bench.svg" >"$work/bench.txt"
for page in compare bench; do
	for scheme in light dark; do
		picture "$page-$scheme.png" "$out/$page.html" 1200 2400 $scheme
		picture "$page-phone-$scheme.png" "$out/$page.html" 390 2400 $scheme
	done
	cmp -s "$out/$page-light.png" "$out/$page-dark.png" && {
		echo "$page.html looks the same in light and dark" >&2
		exit 1
	}
	browser --print-to-pdf="$out/$page.pdf" --no-pdf-header-footer "file://$out/$page.html"
	[ "$(head -c 5 "$out/$page.pdf")" = "%PDF-" ]
	is_narrow "$out/$page.html"
done
echo "look at them: $out/*.png, $out/*.pdf"
