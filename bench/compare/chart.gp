# One workload as bars, updates per second, on a logarithmic scale. Called by bench/compare.sh with data, chart and name.
set terminal svg size 760,360 font 'sans-serif,12' background rgb 'white'
set output chart
set title name noenhanced
set logscale y
set ylabel 'updates per second'
set format y '%.0s%c'
set grid ytics lc rgb '#dddddd'
set style fill solid 0.9 noborder
set boxwidth 0.7
set xtics rotate by -35 noenhanced
set yrange [*<1000:*]
set offsets 0.6, 0.6, 0, 0
set datafile commentschars '#'
unset key
colour(s) = strstrt(s, 'cairn') == 1 ? 0x2f6f4f : strstrt(s, 'memory') == 1 ? 0xbbbbbb : 0x8aa9c7
plot data using 0:2:(colour(strcol(1))):xtic(1) with boxes lc rgb variable
