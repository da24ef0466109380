    String.prototype.html = function (encode) {
        var pairs = [["&#39;", "'"], ["&quot;", '"'], ["&nbsp;", " "], ["&gt;", ">"], ["&lt;", "<"], ["&amp;", "&"]];
        if (encode) pairs.reverse();
        return pairs.reduce(function (text, pair) {
            return encode ? text.split(pair[1]).join(pair[0]) : text.split(pair[0]).join(pair[1]);
        }, String(this));
    };
    function htmlDecode(text) { return text.html(false); }
