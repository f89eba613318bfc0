# busybox's shell, built-ins only: there is no fork yet
i=0 total=0
while [ $i -lt 2000 ]; do total=$((total + i)); i=$((i + 1)); done
echo "total $total $1"
echo line >file; echo more >>file
while read -r x; do echo "read $x"; done <file
case $PWD in /*) echo absolute ;; esac
exit 6
